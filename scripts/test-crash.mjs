// npm run test:crash [-- --images N]: what a crash can leave, of every module, over both engines: the tests of crashes in Rust, the power
// cuts from JavaScript, and those of the C libraries. Prints how many images were opened, about N, and how many were wrong. The shortest run has 27,000.
import { CORE, buildTests } from './lib/cargo.mjs'
import { countAva, countCargo } from './lib/counts.mjs'
import { matrix, withFolder } from './lib/matrix.mjs'
import { bin, main, report, StepError } from './lib/run.mjs'
import { buildRecorder, setUp } from './lib/setup.mjs'

/** From so many images on, all tests of crashes in Rust are run, and not those alone that cut random programs anywhere. */
const LONG = 30_000

/** How many images all tests together give that are no random programs, and how many one program of each gives, on both media. */
const FIXED = 33_000
const PER_PROGRAM = 16_000

/** The tests in Rust of each module, and those of a long run besides. */
const MODULES = {
  regions: { filters: ['region::crashes::'], more: [] },
  logs: { filters: ['nvml::log::rust::tests::'], more: [] },
  blocks: {
    filters: ['nvml::blk::rust::tests::crashes::every_crash'],
    more: ['nvml::blk::rust::tests::groups::', 'nvml::blk::rust::tests::layout::'],
  },
  'logs and blocks, being made': { filters: ['nvml::pool::tests::'], more: [] },
  journals: { filters: ['journal::tests::crashes::a_crash'], more: ['journal::tests::crashes::'] },
  'the heap of objects': { filters: ['heap::tests::crashes::'], more: [] },
  objects: { filters: ['objects::tests::crashes::'], more: [] },
}

/** The specs of power cuts: from JavaScript, and of the C libraries. */
const SPECS = ['region-powercuts', 'pools-powercuts', 'journal-powercuts', 'objects-powercuts', 'pools-c-powercuts']

/** Images by what they are of, who made them, and the medium. */
const rows = new Map()

function add(module, by, medium, images, wrong = 0) {
  const key = [module, by, medium].join(' | ')
  const row = rows.get(key) ?? { images: 0, wrong: 0 }
  rows.set(key, { images: row.images + images, wrong: row.wrong + wrong })
  return images
}

/** Runs tests, takes what they tell of images, and shows all that they print where one fails. */
async function count(label, module, by, command, args, env, counts, take) {
  let images = 0
  const result = await report(label, command, args, { env }, (ended) => {
    images = take(ended.stdout)
    return `${images} images`
  })
  const { failed, skipped } = counts(result)
  if (result.ok && skipped > 0 && images === 0) return void add(module, by, 'skipped', 0)
  if (failed > 0) console.log(result.output)
  if (failed > 0 || images === 0) add(module, by, 'tests that failed', 0, Math.max(failed, 1))
}

function takeCore(module, stdout) {
  const told = [...stdout.matchAll(/^(?:test .* \.\.\. )?(\d+) images on (.*)$/gm)]
  return told.reduce((sum, [, images, medium]) => sum + (Number(images) && add(module, 'Rust', medium, Number(images))), 0)
}

function takeSpec(stdout) {
  const told = [...stdout.matchAll(/^ *ℹ (\{"module".*\})$/gm)].map(([, text]) => JSON.parse(text))
  return told.reduce((sum, { module, by, medium, images }) => sum + add(module, by, medium, images), 0)
}

function table() {
  const lines = [...rows].map(([key, { images, wrong }]) => `| ${key} | ${images.toLocaleString('en')} | ${wrong} |`)
  return ['| of | from | on | images | wrong |', '|---|---|---|---|---|', ...lines].join('\n')
}

async function testCrashes(wanted) {
  const programs = Math.max(1, Math.ceil((wanted - FIXED) / PER_PROGRAM))
  const env = { PMEM_TEST_CRASHES: `${programs}`, PMEM_TEST_RUNTIMES: '0', RUST_BACKTRACE: '0' }
  await setUp()
  await buildRecorder()
  const { pmem: binary } = await buildTests(CORE)
  const [{ folder }] = matrix()
  await withFolder(folder, async (PMEM_TEST_DIR) => {
    const where = { ...env, PMEM_TEST_DIR }
    for (const [module, { filters, more }] of Object.entries(MODULES)) {
      const args = [...filters, ...(wanted >= LONG ? more : []), '--nocapture', '--test-threads=1']
      await count(`Rust: ${module}`, module, 'Rust', binary, args, where, countCargo, (stdout) => takeCore(module, stdout))
    }
    for (const spec of SPECS) {
      const args = [`build/__test__/${spec}.spec.js`, '--match=power cuts*', '--match=every point*', '--timeout=60m']
      await count(`JavaScript: ${spec}`, spec, 'JavaScript', bin('ava'), args, where, countAva, takeSpec)
    }
  })
}

await main(async () => {
  const at = process.argv.indexOf('--images')
  const wanted = at === -1 ? 5000 : Number(process.argv[at + 1])
  if (!Number.isSafeInteger(wanted) || wanted < 1) throw new StepError('--images takes a number of images')
  await testCrashes(wanted)
  const sum = (name) => [...rows.values()].reduce((total, row) => total + row[name], 0)
  console.log(`\n${table()}\n\n${sum('images')} images, ${sum('wrong')} wrong`)
  if (sum('wrong') > 0) throw new StepError('What some crashes leave is wrong')
})
