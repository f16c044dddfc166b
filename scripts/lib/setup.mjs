import { readFileSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { installModules } from './modules.mjs'
import { preparePmdk } from './pmdk.mjs'
import { bin, root, run, step, StepError } from './run.mjs'
import { completeTypings } from './typings.mjs'

/** Brings a checkout, fresh or used, to where its package can be run; resolves to whether PMDK is linked. */
export async function setUp() {
  await requireCommand('cargo', 'Rust is needed to build the native module: install it with rustup')
  await requireCommand('cc', 'A C compiler is needed to build the native module: install gcc')
  await installModules('node modules', root)
  const pmdk = await preparePmdk()
  await buildNative(pmdk)
  await buildTypeScript()
  return pmdk
}

/** Builds the native module without PMDK beside the one that the package loads; resolves to its path. */
export async function buildWithoutPmdk() {
  const folder = join(root, 'build/without-pmdk')
  await napiBuild('native module without PMDK', ...RELEASE, '--no-default-features', '--output-dir', folder, '--no-js')
  return join(folder, readdirSync(folder).find((name) => name.endsWith('.node')))
}

/** Builds the native module that records what power cuts can leave: for tests alone, and not optimised, which takes longer. */
export function buildRecorder() {
  const features = ['--no-default-features', '--features', 'recorder']
  return napiBuild('native module with a recorder', ...features, '--output-dir', join(root, 'build/recorder'))
}

/** Cargo's arguments for all crates that the build with or without PMDK has. */
export function workspace(pmdk) {
  return pmdk ? ['--workspace'] : ['--workspace', '--exclude', 'pmem-sys', '--no-default-features']
}

async function requireCommand(command, message) {
  const { ok } = await run(command, ['--version'])
  if (!ok) throw new StepError(`${message} (\`${command}\` does not run)`)
}

function buildNative(pmdk) {
  const features = pmdk ? [] : ['--no-default-features']
  return napiBuild('native module', ...RELEASE, '--output-dir', '.', '--js', 'binding.cjs', '--dts', 'binding.d.cts', ...features)
}

const RELEASE = ['--platform', '--release']

function napiBuild(label, ...args) {
  return step(label, bin('napi'), ['build', '--manifest-path', 'crates/pmem-node/Cargo.toml', ...args])
}

async function buildTypeScript() {
  // What an earlier source left behind would be tested and published.
  for (const folder of ['dist', 'build']) rmSync(join(root, folder), { recursive: true, force: true })
  // Documentation belongs to the typings, which editors show; without it the package is a tenth smaller.
  const project = ['--project', 'tsconfig.json']
  await step('TypeScript: typings', bin('tsc'), [...project, '--emitDeclarationOnly'])
  await step('TypeScript: package', bin('tsc'), [...project, '--declaration', 'false', '--removeComments'])
  await step('command line', process.execPath, [join(root, 'scripts/lib/bundle-cli.mjs')])
  completeTypings(join(root, 'dist'), entryTypings())
  await step('TypeScript: tests and examples', bin('tsc'), ['--project', 'tsconfig.test.json'])
}

/** The typings that the manifest names, those of modern compilers. */
function entryTypings() {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const conditions = Object.values(exports).flatMap((entry) => [entry.import, entry.require])
  return conditions.filter(Boolean).map(({ types }) => types.replace('./dist/', ''))
}
