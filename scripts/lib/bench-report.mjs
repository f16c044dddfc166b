import { delimiter, dirname, join } from 'node:path'
import { add, countSuite, countTap } from './counts.mjs'
import { installModules, linkPackage } from './modules.mjs'
import { unpackedDebian } from './packages/tools.mjs'
import { root, run } from './run.mjs'
import { runTests } from './tests.mjs'
import { ifAvailable, pythonEnvironment } from './tools.mjs'

const folder = join(root, 'bench/report')

/** Without these @riaskov/mmap-io does not compile for Node.js 24. It is optional. */
const CXXFLAGS = '-std=gnu++20 -include v8.h'

/** Installs the peers with the Node.js that runs them, for which some are built, and the checkout's package beside them. */
export async function installReport(node) {
  const { stdout: modules } = await run('npm', ['root', '--global'])
  const env = { PATH: dirname(node) + delimiter + process.env.PATH, npm_config_nodedir: dirname(dirname(node)), CXXFLAGS }
  await installModules('what to measure against', folder, [node, join(modules.trim(), 'npm/bin/npm-cli.js')], env)
  linkPackage(folder)
}

/** Tests what makes the page, and a short form of the report, on this Node.js. Resolves to the counts. */
export async function testReport(node) {
  await installReport(node)
  const page = ['--no-warnings', '--test', '--test-reporter', 'tap', join(folder, 'test/page.test.mjs')]
  const counts = await runTests('report: page', node, page, {}, countTap)
  const short = [join(root, 'scripts/bench-report.mjs'), '--quick']
  return add(counts, await runTests('report: a short form', process.execPath, short, {}, countSuite))
}

/** The environment in which pynvm is found; an empty one where it cannot be had. */
export async function pynvm() {
  const found = await ifAvailable(async () => {
    // It wants all of PMDK's libraries, of which the package itself needs not all.
    const unpacked = await unpackedDebian('pmdk-objects', ['libpmemobj-dev', 'libpmemobj1'])
    const libraries = dirname((await run('find', [unpacked, '-name', 'libpmemobj.so'])).stdout.trim())
    const env = { CPATH: join(unpacked, 'usr/include'), LIBRARY_PATH: libraries }
    const commands = await pythonEnvironment('pynvm', join(folder, 'requirements.txt'), env)
    return { PMEM_BENCH_PYTHON: join(commands, 'python'), PMEM_BENCH_LIBRARIES: libraries }
  })
  return found ?? {}
}
