import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { add, countSuite, countTap } from './counts.mjs'
import { linkPackage } from './modules.mjs'
import { unpackedDebian } from './packages/tools.mjs'
import { root, run, step } from './run.mjs'
import { runTests } from './tests.mjs'
import { Unavailable, pythonEnvironment } from './tools.mjs'

const folder = join(root, 'bench/report')

/** Without these @riaskov/mmap-io does not compile for Node.js 24. It is optional. */
const CXXFLAGS = '-std=gnu++20 -include v8.h'

/** Installs the peers, with the Node.js that runs them and the checkout's package beside them. */
export async function installReport(node) {
  await installPeers(node)
  linkPackage(folder)
}

async function installPeers(node) {
  const lock = readFileSync(join(folder, 'package-lock.json'), 'utf8')
  const stamp = join(folder, 'node_modules/.installed-lock')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  const { stdout: npm } = await run('npm', ['root', '--global'])
  const env = { PATH: dirname(node) + delimiter + process.env.PATH, npm_config_nodedir: dirname(dirname(node)), CXXFLAGS }
  await step('what to measure against', node, [join(npm.trim(), 'npm/bin/npm-cli.js'), 'ci', '--loglevel=error'], { cwd: folder, env })
  writeFileSync(stamp, lock)
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
  try {
    // It wants all of PMDK's libraries, of which the package itself needs not all.
    const libraries = await unpackedDebian('pmdk-objects', ['libpmemobj-dev', 'libpmemobj1'])
    const found = (await run('find', [libraries, '-name', 'libpmemobj.so'])).stdout.trim()
    const env = { CPATH: join(libraries, 'usr/include'), LIBRARY_PATH: dirname(found) }
    const commands = await pythonEnvironment('pynvm', join(folder, 'requirements.txt'), env)
    return { PMEM_BENCH_PYTHON: join(commands, 'python'), PMEM_BENCH_LIBRARIES: dirname(found) }
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
    console.log(`SKIPPED: ${error.message}`)
    return {}
  }
}
