import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { add, countTap, none } from './counts.mjs'
import { matrix, withFolder } from './matrix.mjs'
import { installModules, linkPackage } from './modules.mjs'
import { root, step } from './run.mjs'
import { runTests } from './tests.mjs'

const packages = join(root, 'packages')

/** The names of the packages that stand beside `pmem` and build on it, each in a folder of its own. */
export const companions = existsSync(packages) ? readdirSync(packages).toSorted() : []

/** The folder of a companion. */
export const companionFolder = (name) => join(packages, name)

/** Brings a companion to where it can be used: its modules, the checkout's `pmem` among them, and what it builds. */
export async function setUpCompanion(name) {
  const folder = companionFolder(name)
  await installModules(`${name}: modules`, folder)
  linkPackage(folder)
  await step(`${name}: build`, 'npm', ['run', 'build', '--silent'], { cwd: folder })
}

/** Runs the tests of companions, which print TAP; the checkout is set up. Resolves to the counts. */
export async function testCompanions(names = companions) {
  let counts = none
  for (const name of names) {
    await setUpCompanion(name)
    const run = (PMEM_TEST_DIR) => runTests(name, 'npm', ['test', '--silent'], { cwd: companionFolder(name), env: { PMEM_TEST_DIR } }, countTap)
    counts = add(counts, await withFolder(matrix()[0].folder, run))
  }
  return counts
}
