import { buildTests, CORE } from '../cargo.mjs'
import { add, countAva, countCargo, describe, none } from '../counts.mjs'
import { FOLDER, makeNvdimm, prepareMachine, runInMachine } from './machine.mjs'

/** Suites of which a file system makes a difference to much; each takes ten times as long in there. */
const SUITES = ['region', 'map', 'mapfile', 'grow', 'log', 'journal']
const FEW = ['region']

/** Tests of the core that map files. */
const FILTERS = ['os::', 'region::', 'storage::', 'nvml::', 'journal::tests::keeping']
const FEW_FILTERS = ['os::mapping', 'os::file', 'region::']

/** All commands, of which each has to succeed. */
const status = (commands) => `status=0\n${commands.map((command) => `${command} || status=1`).join('\n')}\nexit $status`

/** Counts of programs that say how it went as ava does, of ava, and of tests of the core, in one run. */
function count(result) {
  const core = /^test result: /m.test(result.stdout) ? countCargo({ ...result, ok: true }) : none
  const counts = add(core, countAva({ ...result, ok: true }))
  return counts.failed === 0 && !result.ok ? { ...counts, failed: 1 } : counts
}

/** Runs commands in a new machine, and resolves to the counts of what they print. */
export async function testInMachine(label, parts, commands, options) {
  const nvdimm = makeNvdimm()
  const start = performance.now()
  process.stdout.write(`${label} ... `)
  try {
    const { status: ended, output } = await runInMachine(parts, status(commands), { ...options, nvdimm: nvdimm.path })
    const counts = count({ ok: ended === 0, stdout: `${output}\n`, output })
    console.log(`${describe(counts)} (${((performance.now() - start) / 1000).toFixed(1)} s)`)
    if (counts.failed) console.log(output)
    return counts
  } catch (error) {
    console.log(`FAILED\n${error.message}`)
    return { ...none, failed: 1 }
  } finally {
    nvdimm.remove()
  }
}

/** What is tested on emulated persistent memory, or a `few` of it; resolves to the counts. */
export async function testDax(few) {
  const parts = await prepareMachine()
  if (parts.reason) {
    console.log(`A machine with persistent memory ... skipped: ${parts.reason}`)
    return { ...none, skipped: 1 }
  }
  const specs = (few ? FEW : SUITES).map((name) => `build/__test__/${name}.spec.js`).join(' ')
  const { pmem: core } = await buildTests(CORE)
  const filters = (few ? FEW_FILTERS : FILTERS).join(' ')
  const auto = (expected) => `node test-dax/auto-flush.mjs ${expected}`
  const files = [
    'node test-dax/mappings.mjs',
    auto(false),
    `NO_COLOR=1 PMEM_TEST_RUNTIMES=0 npx --no-install ava --timeout=10m --concurrency=1 ${specs}`,
    `(cd crates/pmem && TMPDIR=${FOLDER} RUST_BACKTRACE=0 ${core} ${filters})`,
  ]
  let total = await testInMachine('DAX: files', parts, files, { timeout: 1800 })
  total = add(total, await testInMachine('DAX: persistent caches', parts, [auto(true)], { autoFlush: true }))
  return add(total, await testInMachine('DAX: a device', parts, ['node test-dax/device.mjs'], { mode: 'device' }))
}
