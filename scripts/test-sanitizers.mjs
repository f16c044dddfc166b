// npm run test:sanitizers [-- address | thread | valgrind | miri]: runs tests of the core under AddressSanitizer, ThreadSanitizer,
// valgrind and Miri, as far as they are installed: all but valgrind take components of a nightly Rust, and what is missing counts
// as skipped. Each has to find an error made on purpose first (`crates/pmem/src/os/unsound.rs`). Tests that take numbers get small
// ones, and those that a tool takes minutes for are left out.
import { join } from 'node:path'
import { buildTests, CORE } from './lib/cargo.mjs'
import { add, countCargo, describe, none } from './lib/counts.mjs'
import { nightly, nightlyComponents } from './lib/nightly.mjs'
import { main, root, run, StepError } from './lib/run.mjs'
import { runTests } from './lib/tests.mjs'

const FREED = 'os::unsound::freed_memory_is_read'
const RACE = 'os::unsound::threads_race'

/** The least with which tests see all that they want to. */
const FEW = { PMEM_TEST_CRASHES: '1', PMEM_TEST_DAMAGES: '100', PROPTEST_CASES: '20', RUST_BACKTRACE: '0' }

/** What a crash can leave is cut, opened and compared thousands of times; other tests have the same code do the same. */
const WITHOUT_CRASHES = ['--skip', 'crash', '--skip', 'kill', '--skip', 'nvml::blk::rust::tests']

/** Sanitizers have `mlock` do nothing, which a test notices. */
const WITHOUT_LOCKS = ['--skip', 'all_that_was_asked_of_a_mapping_is_asked_of_what_is_new']

/** What maps little or nothing, and ends within seconds under valgrind: formats and parsers, logs, copies, what is put together. */
const QUICK = [
  'nvml::format::',
  'nvml::log::',
  'journal::format::',
  'heap::format::',
  'heap::tests::bounds',
  'os::flush::',
  'storage::committer',
  'storage::frames',
]

/** What Miri can run: it has no flush instructions, mappings or reads of folders, and takes a thousand times as long. */
const FORMATS = [
  ...['bytes', 'header', 'log'].map((name) => `nvml::format::${name}`),
  ...['the_figures', 'geometry', 'every_block', 'the_descriptor', 'a_resized', 'recovery'].map((name) => `nvml::format::tests::btt::${name}`),
]

/** The command of the core's test binary, built with a sanitizer. */
const sanitized = (name, args = []) => async () => {
  const env = await nightly(join('sanitizers', name), [`-Zsanitizer=${name}`])
  const { pmem } = await buildTests([...args, ...CORE], { env })
  return { command: [pmem] }
}

const tools = {
  address: {
    components: [],
    start: sanitized('address'),
    finds: { [FREED]: 'AddressSanitizer: heap-use-after-free' },
    tests: [...WITHOUT_CRASHES, ...WITHOUT_LOCKS],
  },
  thread: {
    // The standard library has to be built with it too.
    components: ['rust-src'],
    start: sanitized('thread', ['-Zbuild-std']),
    finds: { [RACE]: 'ThreadSanitizer: data race' },
    tests: [...WITHOUT_CRASHES, ...WITHOUT_LOCKS],
  },
  valgrind: {
    start: async () => {
      const { pmem } = await buildTests(CORE)
      return { command: ['valgrind', '--quiet', '--error-exitcode=9', pmem] }
    },
    finds: { [FREED]: 'Invalid read of size 1' },
    tests: QUICK,
  },
  miri: {
    components: ['miri', 'rust-src'],
    start: async () => {
      const env = { ...(await nightly(join('sanitizers', 'miri'), [])), MIRIFLAGS: '-Zmiri-disable-isolation', PROPTEST_CASES: '4' }
      return { command: ['cargo', 'miri', 'test', ...CORE, '--'], env }
    },
    finds: { [FREED]: 'Undefined Behavior', [RACE]: 'Undefined Behavior: Data race' },
    tests: FORMATS,
  },
}

/** What a tool lacks here; undefined where it can run. */
async function missing(name, { components: needed }) {
  if (needed === undefined) return (await run(name, ['--version'])).ok ? undefined : `${name} is not installed`
  const components = await nightlyComponents()
  if (components === null) return 'there is no nightly Rust'
  const lacking = needed.filter((part) => !components.some((component) => `${component}-`.startsWith(`${part}-`)))
  return lacking.length > 0 ? `the nightly Rust has no ${lacking.join(' and no ')}` : undefined
}

/** Runs a tool's tests once it has found what was made for it. Resolves to their counts. */
async function test(name, tool) {
  const reason = await missing(name, tool)
  if (reason !== undefined) {
    console.log(`${name}: skipped, ${reason}`)
    return { ...none, skipped: 1 }
  }
  const { command: [command, ...args], env } = await tool.start()
  const options = { cwd: join(root, 'crates/pmem'), env: { ...FEW, ...env } }
  for (const [fault, finding] of Object.entries(tool.finds)) {
    const { ok, output } = await run(command, [...args, '--ignored', '--exact', fault], options)
    if (ok || !output.includes(finding)) throw new StepError(`${name} does not find what ${fault} does:\n${output}`)
    console.log(`${name}: finds ${fault}`)
  }
  return runTests(name, command, [...args, ...tool.tests], options, countCargo)
}

await main(async () => {
  const [, , wanted] = process.argv
  const names = Object.keys(tools).filter((name) => wanted === undefined || name === wanted)
  if (names.length === 0) throw new StepError(`There is no tool ${wanted}: ${Object.keys(tools).join(', ')}`)
  let total = none
  for (const name of names) total = add(total, await test(name, tools[name]))
  console.log(describe(total))
  if (total.failed > 0) process.exitCode = 1
})
