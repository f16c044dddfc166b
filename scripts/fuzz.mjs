// npm run fuzz [-- --minutes 10 --target NAME --seed N --count N --libfuzzer]: tries inputs and orders of calls by chance, each
// target for so many minutes, half a minute by default. A target goes on behind the last seed of earlier runs, which `target/fuzz/` has.
// Inputs that fail are kept in `crates/pmem/tests/fuzz/corpus/`, where they are tried again in each run and by `npm test`.
// --seed begins with a seed, and --count tries so many from there: it has a failure again.
// --libfuzzer has libFuzzer change the files of the targets that open some, where there is a nightly Rust. What it found that leads
// to code of its own is in `target/fuzz/libfuzzer/`, from where the next run goes on.
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildTests } from './lib/cargo.mjs'
import { fuzzByCoverage } from './lib/libfuzzer.mjs'
import { matrix, withFolder } from './lib/matrix.mjs'
import { preparePmdk } from './lib/pmdk.mjs'
import { main, root, run, StepError } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'

/** How long a process runs. Seeds of a slice that was ended are tried again. */
const SLICE = 60

const folder = join(root, 'target/fuzz')
const corpus = join(root, 'crates/pmem/tests/fuzz/corpus')

const files = ['log-files', 'block-files', 'region-files', 'store-files', 'journal-files']
const calls = ['log-calls', 'block-calls', 'journal-calls']

/** Tests of the heap, which take so many seeds a process: with fewer they would not see all that they want to. */
const heap = {
  'heap-files': { test: 'heap::tests::hostile::damage_with_right_checksums_gives_an_error_or_what_is_there', many: 1000, counted: 'PMEM_TEST_DAMAGES', seeded: 'PMEM_FUZZ_SEED' },
  'heap-calls': { test: 'heap::tests::model::a_store_is_what_a_map_is', many: 100, counted: 'PROPTEST_CASES', seeded: 'PROPTEST_RNG_SEED' },
}

/** Calls from JavaScript, so many orders of them a process. */
const JAVASCRIPT = 'javascript-calls'
const ORDERS = 20

/** Files that calls make may not be longer, in blocks of 512 bytes. */
const LIMITED = 'ulimit -f 2097152; exec "$0" "$@"'

const targets = [...files, ...calls, ...Object.keys(heap), JAVASCRIPT]

/** Runs a command to its end. Resolves to `{ ok, output }`. */
const execute = (command, args, env, cwd) => run(command, args, { cwd, env: { RUST_BACKTRACE: '0', ...env } })

/** What the targets run: the test binary of files and calls, and that of the core's own tests. */
async function build(wanted) {
  if (wanted.includes(JAVASCRIPT) && !existsSync(join(root, 'build/__test__/programs/fuzz.js'))) await setUp()
  if (!wanted.some((target) => target !== JAVASCRIPT)) return {}
  const pmdk = await preparePmdk()
  const needsLib = wanted.some((target) => heap[target])
  const kinds = [...(needsLib ? ['--lib'] : []), '--test', 'fuzz']
  return buildTests(['--package', 'pmem', ...(pmdk ? ['--features', 'pmdk'] : []), ...kinds])
}

const stateFile = (target) => join(folder, `${target}.next`)

/** The first seed that no run has tried. */
function nextSeed(target) {
  return existsSync(stateFile(target)) ? Number(readFileSync(stateFile(target), 'utf8')) : 1
}

/** Tries seeds from one on, for so many seconds or so many of them. Resolves to how many, and to what failed. */
async function slice(binaries, target, { seed, seconds, count, keep, pmem }) {
  const cwd = join(root, 'crates/pmem')
  const env = { PMEM_IS_PMEM_FORCE: pmem ? '1' : '0' }
  if (target === JAVASCRIPT) return sliceOfCalls({ seed, seconds, count, env })
  if (heap[target]) return sliceOfHeap(binaries.pmem, heap[target], { seed, seconds, count, env, cwd })
  const note = join(folder, `${target}.case`)
  rmSync(note, { force: true })
  const limits = count === undefined ? { PMEM_FUZZ_SECONDS: seconds } : { PMEM_FUZZ_COUNT: count }
  const kept = keep ? { PMEM_FUZZ_KEEP: keep } : {}
  const variables = { ...env, ...limits, ...kept, PMEM_FUZZ_SEED: seed, PMEM_FUZZ_CASE: note }
  const { ok, output } = await execute(binaries.fuzz, ['--exact', target.replace('-', '_'), '--nocapture'], variables, cwd)
  // What is kept comes first: there is no seed where that fails.
  if (!ok && !existsSync(note)) throw new StepError(`${target}: what is kept failed\n${output}`)
  if (!ok) return { tried: 0, failed: { seed: Number(readFileSync(note, 'utf8')), output } }
  const [, tried] = /: (\d+) cases from seed/.exec(output) ?? []
  if (tried === undefined) throw new StepError(`The target ${target} did not run:\n${output}`)
  return { tried: Number(tried) }
}

async function sliceOfHeap(binary, { test, many, counted, seeded }, { seed, seconds, count = Infinity, env, cwd }) {
  const end = performance.now() + (seconds ?? Infinity) * 1000
  let tried = 0
  while (performance.now() < end && tried < count) {
    const variables = { ...env, [seeded]: seed + tried, [counted]: many }
    const { output } = await execute(binary, ['--exact', test], variables, cwd)
    if (!/^test result: ok. 1 passed/m.test(output)) return { tried, failed: { seed: seed + tried, output } }
    tried += many
  }
  return { tried }
}

/** Each seed is an order of calls that is tried with those before it. */
async function sliceOfCalls({ seed, seconds, count = Infinity, env }) {
  const end = performance.now() + (seconds ?? Infinity) * 1000
  const [{ folder: parent }] = matrix()
  let tried = 0
  while (performance.now() < end && tried < count) {
    const args = ['-c', LIMITED, process.execPath, '--expose-gc', join(root, 'build/__test__/programs/fuzz.js')]
    const { ok, output } = await withFolder(parent, (place) => execute('sh', [...args, place, String(seed + tried), String(ORDERS)], env, root))
    if (!ok) return { tried, failed: { seed: seed + tried, output } }
    tried += 1
  }
  return { tried }
}

/** Keeps a failing input with the corpus. Resolves to where it is. */
async function keepInput(binaries, target, seed, pmem) {
  const parent = join(corpus, target)
  mkdirSync(parent, { recursive: true })
  if (files.includes(target)) {
    const keep = join(parent, `seed-${seed}.image`)
    await slice(binaries, target, { seed, count: 1, keep, pmem })
    return keep
  }
  const seeds = join(parent, 'seeds')
  if (calls.includes(target)) appendFileSync(seeds, `${seed}\n`)
  return calls.includes(target) ? seeds : 'no file'
}

/** Tries a target for so long. Resolves to how many inputs were tried, and whether one failed. */
async function fuzz(binaries, target, { seconds, seed, count }) {
  const end = performance.now() + seconds * 1000
  let [next, total, round] = [seed ?? nextSeed(target), 0, 0]
  const isOver = () => (count === undefined ? performance.now() >= end : total >= count)
  while (!isOver()) {
    const left = Math.max(1, Math.min(SLICE, Math.ceil((end - performance.now()) / 1000)))
    const pmem = count === undefined && round % 2 === 1
    const { tried, failed } = await slice(binaries, target, { seed: next, seconds: count === undefined ? left : undefined, count, pmem })
    if (failed) {
      const where = await keepInput(binaries, target, failed.seed, pmem)
      console.log(failed.output.trim())
      console.log(`${target}: seed ${failed.seed} failed${pmem ? ' with PMEM_IS_PMEM_FORCE=1' : ''}; kept in ${where}`)
      console.log(`Again: npm run fuzz -- --target ${target} --seed ${failed.seed} --count 1`)
      return { total, failed: 1 }
    }
    next += tried
    total += tried
    round += 1
    if (seed === undefined) writeFileSync(stateFile(target), String(next))
  }
  return { total, failed: 0 }
}

await main(async () => {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '0.5' },
      target: { type: 'string' },
      seed: { type: 'string' },
      count: { type: 'string' },
      libfuzzer: { type: 'boolean' },
    },
  })
  const possible = values.libfuzzer ? files : targets
  const wanted = values.target === undefined ? possible : possible.filter((target) => target === values.target)
  if (wanted.length === 0) throw new StepError(`There is no target ${values.target}: ${possible.join(', ')}`)
  const seconds = Number(values.minutes) * 60
  if (values.libfuzzer) return fuzzByCoverage(wanted, corpus, seconds)
  const number = (text) => (text === undefined ? undefined : Number(text))
  mkdirSync(folder, { recursive: true })
  const binaries = await build(wanted)
  let failures = 0
  for (const target of wanted) {
    const start = performance.now()
    const { total, failed } = await fuzz(binaries, target, { seconds, seed: number(values.seed), count: number(values.count) })
    failures += failed
    console.log(`${target}: ${total} ${target === JAVASCRIPT ? `times ${ORDERS} orders of calls` : 'inputs'}, ${failed} failed (${((performance.now() - start) / 1000).toFixed(0)} s)`)
  }
  console.log(`${wanted.length - failures} passed, ${failures} failed`)
  if (failures > 0) throw new StepError('Some inputs failed')
})
