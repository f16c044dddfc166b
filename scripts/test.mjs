// npm test [-- --quick] [--no-packages] [--lint]: sets up what is missing and runs every test. --quick runs Rust and
// TypeScript under one condition each and leaves out the packages, as --no-packages does; --lint runs the checks of
// `npm run lint` too. The last line is the sum of all counts.
import { join } from 'node:path'
import { CORE } from './lib/cargo.mjs'
import { testReport } from './lib/bench-report.mjs'
import { testCompanions } from './lib/companions.mjs'
import { add, countAva, countCargo, countSuite, describe, none } from './lib/counts.mjs'
import { lint } from './lib/lint.mjs'
import { testPowercuts } from './lib/dax-vm/powercuts.mjs'
import { testDax } from './lib/dax-vm/tests.mjs'
import { matrix, withFolder, withoutPmdk } from './lib/matrix.mjs'
import { testPackages } from './lib/packages/tests.mjs'
import { main, root } from './lib/run.mjs'
import { binary, conditions, installRuntimes, testRuntime } from './lib/runtimes.mjs'
import { buildRecorder, buildWithoutPmdk, setUp, workspace } from './lib/setup.mjs'
import { testSite } from './lib/site.mjs'
import { testSoak } from './lib/soak.mjs'
import { runTests } from './lib/tests.mjs'

/** After so many seconds no further platform is built or run. */
const OTHER_PLATFORMS = 210

/** Power cuts of a machine with persistent memory. */
const CUTS = 3

const quick = process.argv.includes('--quick')
let total = { ...none }

async function test(label, command, args, env, count) {
  total = add(total, await runTests(label, command, args, { env }, count))
}

async function testRust(label, args) {
  await test(label, 'cargo', ['test', ...args], {}, countCargo)
}

async function testTypeScript({ label, folder, env }, node = process.execPath) {
  const ava = join(root, 'node_modules/ava/entrypoints/cli.mjs')
  await withFolder(folder, (PMEM_TEST_DIR) =>
    test(`TypeScript: ${label}`, node, [ava], { ...env, PMEM_TEST_DIR }, countAva),
  )
}

async function testAll() {
  const pmdk = await setUp()
  await buildRecorder()
  const runtimes = await installRuntimes()
  await testRust('Rust', [...workspace(pmdk), '--no-fail-fast'])
  // What replaces PMDK is tested also where it is there. Stores of objects have of it the flush alone, which has its own tests.
  if (pmdk && !quick) await testRust('Rust without PMDK', [...CORE, '--', '--skip', 'objects::', '--skip', 'heap::'])
  const faults = [join(root, 'scripts/test-faults.mjs'), '--dozen']
  if (!quick) await test('Deliberate faults: a dozen', process.execPath, faults, {}, countSuite)
  const few = quick ? 1 : Infinity
  for (const [index, condition] of matrix().slice(0, few).entries()) {
    // With external buffers and without them is all that makes a difference to other releases of Node.js.
    if (index > 1) condition.env.PMEM_TEST_RUNTIMES = '0'
    // The condition without them is that of Node.js 24 too, whose language has more to compare objects with.
    const isNewer = index === 1 && runtimes.includes('node24')
    if (isNewer) condition.label += ', Node.js 24'
    // None makes one to who is killed, and no buffers to stores of objects.
    const others = condition.env.PMEM_NO_EXTERNAL_BUFFERS ? 'none' : 'few'
    if (index > 0) Object.assign(condition.env, { PMEM_TEST_KILLS: '3', PMEM_TEST_OBJECTS: isNewer ? 'language' : others })
    await testTypeScript(condition, isNewer ? binary('node24') : process.execPath)
  }
  if (pmdk && !quick) await testTypeScript(withoutPmdk(await buildWithoutPmdk()))
  if (!quick) total = add(add(total, await testDax(true)), await testPowercuts(CUTS))
  for (const name of runtimes) total = add(total, await testRuntime(name, conditions().slice(0, few)))
  if (!quick) total = add(add(add(total, await testCompanions()), await testSite()), await testSoak())
  if (pmdk && !quick && runtimes.includes('node24')) total = add(total, await testReport(binary('node24')))
  if (!quick && !process.argv.includes('--no-packages')) total = add(total, await testPackages(OTHER_PLATFORMS))
  if (process.argv.includes('--lint')) total.failed += await lint(pmdk)
}

await main(testAll)
// A set-up that failed leaves no counts behind, only the exit code.
if (process.exitCode) total.failed += 1
if (total.failed) process.exitCode = 1
console.log(describe(total))
