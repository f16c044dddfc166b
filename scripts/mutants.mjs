// npm run test:mutants [-- --path crates/pmem/src/heap --seed 1 --count 300]: changes the code in one place at a time, as
// cargo-mutants proposes, and prints whether tests of heap and objects notice. It tests a seeded sample of the changes; one of
// more changes begins with the same. Results are kept in `target/mutants/`, so that a run that was ended goes on: what has no
// line there is tested, also again.
import { spawn } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { CORE, buildTests } from './lib/cargo.mjs'
import { matrix, withFolder } from './lib/matrix.mjs'
import { main, root, run, StepError } from './lib/run.mjs'

const INSTALL = 'cargo install cargo-mutants --version 27.1.0 --locked'

const folder = join(root, 'target/mutants')
const tree = join(folder, 'tree')

/** What is over within seconds, even where nothing is optimised. */
const quick = [
  ...['format', 'store', 'writer'].map((name) => `heap::${name}`),
  ...['bounds', 'model', 'reading', 'room', 'verify'].map((name) => `heap::tests::${name}`),
]

/**
 * All mutants go through the first pass, those that survive it through the next. Without optimisation a build takes a third of
 * the time; the crashes take a minute. There are fewer crashes than in the tests by themselves: what they alone catch is called
 * a survivor.
 */
const passes = [
  { name: 'quick', level: 0, args: quick },
  { name: 'rules', level: 1, args: ['heap::', 'objects::', '--skip', 'crash', '--skip', 'kill', '--skip', 'fail'] },
  { name: 'crashes', level: 1, args: ['heap::', 'objects::'] },
]

/** A mutant may be slow, or never end. */
const patience = (seconds) => 20 + 5 * seconds

/** A mutant may take all memory: it gets 4 GB. */
const LIMITED = 'ulimit -d 4000000; exec "$0" "$@"'

/** What cargo-mutants proposes, but for changes of deliberate faults. */
async function proposed(path) {
  const installed = await run('cargo', ['mutants', '--version'])
  if (!installed.ok) throw new StepError(`There is no cargo-mutants here. Install it: ${INSTALL}`)
  const args = ['mutants', '--list', '--json', '--diff', '--package', 'pmem', '--file', path, '--file', `${path}/**`]
  const { ok, stdout, output } = await run('cargo', args)
  if (!ok) throw new StepError(output)
  const lineOf = ({ file, span }) => readFileSync(join(root, file), 'utf8').split('\n')[span.start.line - 1]
  const isWanted = (mutant) => !/\btests\b/.test(mutant.file) && !lineOf(mutant).includes('deliberate::')
  const mutants = JSON.parse(stdout.slice(stdout.indexOf('['))).filter(isWanted)
  if (mutants.length === 0) throw new StepError(`Nothing of the package pmem can be changed in ${path}`)
  return mutants
}

/** The first of them in an order by chance (mulberry32). */
function sample(mutants, seed, count) {
  let state = seed
  const random = () => {
    state = (state + 0x6d2b79f5) | 0
    let bits = Math.imul(state ^ (state >>> 15), state | 1)
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61)
    return (bits ^ (bits >>> 14)) >>> 0
  }
  const ordered = mutants.map((mutant) => ({ mutant, order: random() })).toSorted((one, other) => one.order - other.order)
  return ordered.slice(0, count).map(({ mutant }) => mutant)
}

/** Copies the work tree. What is as it was keeps its time, and is not built again. */
async function copyTree() {
  const parts = ['Cargo.toml', 'Cargo.lock', 'rust-toolchain.toml', '.cargo', 'crates']
  const { stdout } = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard', '--', ...parts])
  for (const name of stdout.split('\n').filter(Boolean)) {
    const [from, to] = [join(root, name), join(tree, name)]
    if (!existsSync(from)) continue
    const content = readFileSync(from)
    if (existsSync(to) && readFileSync(to).equals(content)) continue
    mkdirSync(dirname(to), { recursive: true })
    writeFileSync(to, content)
  }
}

/** A file with a mutant's change, which is one hunk. */
function changed(source, { name, diff }) {
  const [, first] = /^@@ -(\d+)/m.exec(diff)
  const hunk = diff.slice(diff.indexOf('\n', diff.indexOf('\n@@ ') + 1) + 1).replace(/\n$/, '').split('\n')
  const [before, after] = ['+', '-'].map((other) => hunk.filter((line) => !line.startsWith(other)).map((line) => line.slice(1)))
  const lines = source.split('\n')
  const replaced = lines.splice(first - 1, before.length, ...after)
  if (replaced.join('\n') !== before.join('\n')) throw new StepError(`The change is not one of the file: ${name}`)
  return lines.join('\n')
}

/** The test binary of the core as it is in the copy; null where it does not build. */
async function build(level) {
  const optimised = ['--config', `profile.test.opt-level=${level}`, '--config', 'profile.test.package."*".opt-level=2']
  const env = { CARGO_TARGET_DIR: folder, CARGO_INCREMENTAL: '1', CARGO_PROFILE_DEV_DEBUG: '0', CARGO_PROFILE_TEST_DEBUG: '0' }
  try {
    return (await buildTests([...optimised, ...CORE], { cwd: tree, env })).pmem
  } catch (error) {
    if (error instanceof StepError) return null
    throw error
  }
}

/** Runs tests until one fails. Resolves to `{ result, by }`: how that ended, and which test caught the mutant. */
function runTests(executable, args, seconds, files) {
  const env = { ...process.env, PMEM_TEST_DIR: files, TMPDIR: files, PMEM_TEST_CRASHES: '2', RUST_BACKTRACE: '0' }
  const options = { cwd: join(tree, 'crates/pmem'), env, stdio: ['ignore', 'pipe', 'ignore'], detached: true }
  const child = spawn('sh', ['-c', LIMITED, executable, ...args, '--test-threads=1'], options)
  let [stdout, ended] = ['', null]
  const last = () => [...stdout.matchAll(/^test (\S+) /gm)].at(-1)?.[1] ?? 'nothing'
  const end = (result, by = last()) => {
    if (ended !== null) return
    ended = { result, by }
    try {
      // With the processes that tests have.
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It is over by itself.
    }
  }
  const timer = setTimeout(end, seconds * 1000, 'timeout')
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text
    const failed = /^test (\S+) .*FAILED$/m.exec(stdout)
    if (failed) end('caught', failed[1])
  })
  return new Promise((resolve) =>
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve(ended ?? (code === 0 ? { result: 'survived' } : { result: 'caught', by: last() }))
    }),
  )
}

/** Builds and tests what is in the copy. */
async function test({ level, args }, seconds) {
  const executable = await build(level)
  if (executable === null) return { result: 'unbuildable' }
  const [{ folder: parent }] = matrix()
  return withFolder(parent, (files) => runTests(executable, args, seconds, files))
}

/** How long the tests of a pass may take, going by how long they take without a change. */
async function measure(pass) {
  if ((await build(pass.level)) === null) throw new StepError('The tests of the core do not build')
  const start = performance.now()
  const { result, by } = await test(pass, 3600)
  if (result !== 'survived') throw new StepError(`A test fails without a change: ${by}`)
  return patience((performance.now() - start) / 1000)
}

async function testChanged(mutant, pass, seconds) {
  const file = join(tree, mutant.file)
  const source = readFileSync(file, 'utf8')
  writeFileSync(file, changed(source, mutant))
  try {
    return await test(pass, seconds)
  } finally {
    writeFileSync(file, source)
  }
}

/** What the lines of earlier runs say: for each mutant the last one. */
function readResults(file) {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : []
  return new Map(lines.map((line) => JSON.parse(line)).map((outcome) => [outcome.name, outcome]))
}

function summarise(mutants, results) {
  const outcomes = mutants.map(({ name }) => results.get(name))
  const count = (wanted) => `${outcomes.filter(({ result }) => result === wanted).length} ${wanted}`
  console.log(`\n${mutants.length} mutants: ${['caught', 'timeout', 'unbuildable', 'survived'].map(count).join(', ')}`)
  for (const { name, result } of outcomes) if (result === 'survived') console.log(name)
}

await main(async () => {
  const { values } = parseArgs({
    options: {
      path: { type: 'string', default: 'crates/pmem/src/heap' },
      seed: { type: 'string', default: '1' },
      count: { type: 'string', default: '300' },
    },
  })
  const all = await proposed(values.path)
  const mutants = sample(all, Number(values.seed), Number(values.count))
  console.log(`${mutants.length} of ${all.length} mutants`)
  await copyTree()
  const file = join(folder, 'results.jsonl')
  const results = readResults(file)
  for (const [index, pass] of passes.entries()) {
    const before = index === 0 ? undefined : passes[index - 1].name
    const isDue = ({ name }) => {
      const outcome = results.get(name)
      return before === undefined ? outcome === undefined : outcome.result === 'survived' && outcome.pass === before
    }
    const due = mutants.filter(isDue)
    if (due.length === 0) continue
    const seconds = await measure(pass)
    for (const mutant of due) {
      const outcome = { name: mutant.name, pass: pass.name, ...(await testChanged(mutant, pass, seconds)) }
      results.set(mutant.name, outcome)
      appendFileSync(file, `${JSON.stringify(outcome)}\n`)
      console.log(`${outcome.result} ${mutant.name}${outcome.by ? ` by ${outcome.by}` : ''}`)
    }
  }
  summarise(mutants, results)
})
