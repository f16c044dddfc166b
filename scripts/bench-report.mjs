// npm run bench:report [-- --quick] [-- --only NAME]: measures the package beside what one would take instead, on Node.js 24, and writes
// docs/benchmarks.md with its charts. A short form writes them to nowhere, and fails where a case has no figures.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildPrograms, machine } from './lib/bench.mjs'
import { installReport, pynvm } from './lib/bench-report.mjs'
import { onGround } from './lib/ground.mjs'
import { StepError, main, root, run } from './lib/run.mjs'
import { binary, installRuntimes } from './lib/runtimes.mjs'
import { setUp } from './lib/setup.mjs'

/** How much is done: rounds, milliseconds of one, and how many things are stored where that is not up to the time. */
const WHOLE = { rounds: 5, time: 300, many: 100_000, some: 1000, few: 500, large: 10_000, sizes: [1000, 10_000, 100_000, 1_000_000] }
const QUICK = { rounds: 1, time: 10, many: 1000, some: 100, few: 20, large: 100, sizes: [100, 1000] }

/** What takes a compiler. */
const MAY_BE_ABSENT = ['pynvm', 'mmap-io']

const folder = join(root, 'bench/report')

async function measure(cases, how) {
  const { measureCase } = await import(join(folder, 'measure.mjs'))
  const results = []
  let disk = ''
  for (const place of ['disk', 'memory', 'device']) {
    await onGround(place, async (ground, title) => {
      if (typeof ground.folder !== 'string') return console.log(`SKIPPED: ${title}: ${ground.folder.reason}`)
      if (place === 'disk') disk = title.replace(/^disk \((\w+).*/, '$1')
      for (const one of cases.filter(({ places }) => places.includes(place))) {
        const start = performance.now()
        const sides = await measureCase(one, ground.folder, { ...how, env: { ...how.env, ...ground.env } })
        console.log(`${one.name}, ${place} ... done (${((performance.now() - start) / 1000).toFixed(1)} s)`)
        results.push({ one, place, sides, scale: how.scale })
      }
    })
  }
  // In the order of the page, whatever the places.
  return { disk, results: results.toSorted((a, b) => cases.indexOf(a.one) - cases.indexOf(b.one)) }
}

await main(async () => {
  const { values: { quick, only } } = parseArgs({ options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } } })
  if (!(await setUp())) throw new StepError('The benchmarks compare with libpmem, which is not installed')
  if (!(await installRuntimes()).includes('node24')) throw new StepError('There is no Node.js 24 for this platform')
  const node = binary('node24')
  await buildPrograms()
  await installReport(node)
  const { cases } = await import(join(folder, 'cases.mjs'))
  const wanted = cases.filter(({ name }) => only === undefined || name.includes(only))
  if (wanted.length === 0) throw new StepError(`No case has "${only}" in its name: ${cases.map(({ name }) => name).join(', ')}`)
  const scale = quick ? QUICK : WHOLE
  const { disk, results } = await measure(wanted, { node, env: quick ? {} : await pynvm(), scale })
  const { problems, render } = await import(join(folder, 'page.mjs'))
  const version = (await run(node, ['--version'])).stdout.trim()
  const about = {
    machine: machine().replace(process.version, version), disk, scale, versions: await versionsOf(node), command: 'npm run bench:report', date: new Date().toISOString().slice(0, 10),
  }
  const made = render(results, about)
  if (only !== undefined) return console.log(made.page)
  if (quick) return tell(problems(results, made, MAY_BE_ABSENT), results.length)
  mkdirSync(join(root, 'docs/images'), { recursive: true })
  writeFileSync(join(root, 'docs/benchmarks.md'), made.page)
  for (const [name, svg] of Object.entries(made.charts)) writeFileSync(join(root, 'docs/images', name), svg)
  console.log(`docs/benchmarks.md, and ${Object.keys(made.charts).length} charts`)
})

/** The versions of all peers, as those have them that run on this Node.js. */
async function versionsOf(node) {
  const program = `import(process.argv[1]).then(({ found, peers }) => console.log(JSON.stringify(Object.fromEntries(Object.keys(peers).map((name) => [name, found(name).version])))))`
  return JSON.parse((await run(node, ['--no-warnings', '--eval', program, join(folder, 'peers.mjs')])).stdout)
}

/** The counts of a short form. */
function tell(wrong, count) {
  for (const line of wrong) console.log(`FAILED: ${line}`)
  console.log(`${Math.max(0, count - wrong.length)} passed, ${wrong.length} failed`)
  if (wrong.length > 0) process.exitCode = 1
}
