import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { installModules } from './modules.mjs'
import { preparePmdk } from './pmdk.mjs'
import { bin, root, run, step, StepError } from './run.mjs'

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

/** Cargo's arguments for all crates that the build with or without PMDK has. */
export function workspace(pmdk) {
  return pmdk ? ['--workspace'] : ['--workspace', '--exclude', 'pmem-sys', '--no-default-features']
}

async function requireCommand(command, message) {
  const { ok } = await run(command, ['--version'])
  if (!ok) throw new StepError(`${message} (\`${command}\` does not run)`)
}

function buildNative(pmdk) {
  const args = ['build', '--platform', '--release', '--manifest-path', 'crates/pmem-node/Cargo.toml']
  args.push('--output-dir', '.', '--js', 'binding.cjs', '--dts', 'binding.d.cts')
  if (!pmdk) args.push('--no-default-features')
  return step('native module', bin('napi'), args)
}

async function buildTypeScript() {
  // What an earlier source left behind would be tested and published.
  for (const folder of ['dist', 'build']) rmSync(join(root, folder), { recursive: true, force: true })
  await step('TypeScript: package', bin('tsc'), ['--project', 'tsconfig.json'])
  await step('TypeScript: tests and examples', bin('tsc'), ['--project', 'tsconfig.test.json'])
}
