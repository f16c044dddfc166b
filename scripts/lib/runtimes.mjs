import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { binaryPath, launchArguments } from '../../test-runtimes/lib/runtimes.mjs'
import { add, countSuite, none } from './counts.mjs'
import { matrix, withFolder } from './matrix.mjs'
import { installModules, linkPackage } from './modules.mjs'
import { root } from './run.mjs'
import { runTests } from './tests.mjs'

const folder = join(root, 'test-runtimes')
const modules = join(folder, 'node_modules')

/** Installs the runtimes, where there are binaries of them for this platform, and resolves to their names. */
export async function installRuntimes() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return []
  await installModules('JavaScript runtimes to test on', folder)
  linkPackage(folder)
  return Object.keys(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).devDependencies)
}

/** The binary of a runtime. */
export function binary(name) {
  return join(modules, name, binaryPath(name))
}

/** Runs a program of `test-runtimes/` in a runtime: its command and arguments. */
export function launch(name, program, ...args) {
  return [binary(name), [...launchArguments(name), join(folder, program), ...args]]
}

/** The conditions of the suite there: what forces a flush by cache lines makes no difference to a runtime. */
export function conditions() {
  return matrix().filter(({ env }) => env.PMEM_IS_PMEM_FORCE === undefined)
}

/** Runs the suite in one runtime, under each condition in a process and a folder of its own; resolves to the counts. */
export async function testRuntime(name, under, ...args) {
  let counts = none
  for (const { label, folder: parent, env } of under) {
    const [command, all] = launch(name, 'main.mjs', ...args)
    const run = (PMEM_TEST_DIR) =>
      runTests(`${name}: ${label}`, command, all, { env: { ...env, PMEM_TEST_DIR }, timeout: 120_000 }, countSuite)
    counts = add(counts, await withFolder(parent, run))
  }
  return counts
}
