import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { countTap } from './counts.mjs'
import { installModules } from './modules.mjs'
import { root, step } from './run.mjs'
import { setUp } from './setup.mjs'
import { runTests } from './tests.mjs'

const folder = join(root, 'site')

/** Where the documentation site is once it is built. */
export const siteOutput = join(folder, 'dist')

/** Builds the documentation site, for the root of a server or the path that `args` names. */
export async function buildSite(args = []) {
  // TypeDoc reads Node.js's types.
  await installModules('node modules', root)
  await installModules('site: modules', folder)
  await step('site: build', 'npm', ['run', 'build', '--silent', '--', ...args], { cwd: folder })
}

/** Builds the documentation site and tests it in a browser; resolves to the counts. */
export async function testSite() {
  // Its pages are compared with what the package exports.
  if (!existsSync(join(root, 'dist/index.js'))) await setUp()
  await buildSite()
  return runTests('site', 'npm', ['test', '--silent'], { cwd: folder }, countTap)
}
