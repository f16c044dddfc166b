// npm test [-- --quick] [--lint]: sets up what is missing and runs every test. --quick runs Rust and TypeScript under
// one condition each, --lint runs the checks of `npm run lint` too. The last line is the sum of all counts.
import { join } from 'node:path'
import { add, countAva, countCargo, describe } from './lib/counts.mjs'
import { lint } from './lib/lint.mjs'
import { matrix, matrixWithoutPmdk, withFolder } from './lib/matrix.mjs'
import { installModules } from './lib/modules.mjs'
import { bin, main, report, root } from './lib/run.mjs'
import { buildWithoutPmdk, setUp, workspace } from './lib/setup.mjs'

const quick = process.argv.includes('--quick')
let total = { passed: 0, failed: 0, skipped: 0 }

async function test(label, command, args, env, count) {
  const result = await report(label, command, args, { env }, (ended) => describe(count(ended)))
  const counts = count(result)
  total = add(total, counts)
  if (counts.failed) console.log(withoutPasses(result.output))
}

function withoutPasses(output) {
  return output.replace(/^(test .* \.\.\. ok| *[✔√] .*)\n/gm, '').trimEnd()
}

async function testRust(pmdk) {
  const label = pmdk ? 'Rust' : 'Rust without PMDK'
  await test(label, 'cargo', ['test', ...workspace(pmdk), '--no-fail-fast'], {}, countCargo)
}

async function testTypeScript({ label, folder, env }) {
  await withFolder(folder, (PMEM_TEST_DIR) =>
    test(`TypeScript: ${label}`, bin('ava'), [], { ...env, PMEM_TEST_DIR }, countAva),
  )
}

async function testAll() {
  const pmdk = await setUp()
  if (process.platform === 'linux' && process.arch === 'x64') {
    await installModules('Node.js releases to test on', join(root, 'test-runtimes'))
  }
  await testRust(pmdk)
  // What replaces PMDK is tested also where it is there.
  if (pmdk && !quick) await testRust(false)
  const conditions = quick ? matrix().slice(0, 1) : matrix()
  for (const [index, condition] of conditions.entries()) {
    // With external buffers and without them is all that makes a difference to other releases of Node.js.
    if (index > 1) condition.env.PMEM_TEST_RUNTIMES = '0'
    await testTypeScript(condition)
  }
  if (pmdk && !quick) {
    for (const condition of matrixWithoutPmdk(await buildWithoutPmdk())) await testTypeScript(condition)
  }
  if (process.argv.includes('--lint')) total.failed += await lint(pmdk)
}

await main(testAll)
// A set-up that failed leaves no counts behind, only the exit code.
if (process.exitCode) total.failed += 1
if (total.failed) process.exitCode = 1
console.log(describe(total))
