import { join } from 'node:path'
import { root, run } from './run.mjs'

/** The components of the nightly Rust; null where it is not installed. */
export async function nightlyComponents() {
  const args = ['component', 'list', '--installed', '--toolchain', 'nightly']
  const { ok, stdout } = await run('rustup', args, { env: { RUSTUP_AUTO_INSTALL: '0' } })
  return ok ? stdout.split('\n').filter(Boolean) : null
}

/**
 * What has cargo build with the nightly Rust and these flags, into a folder of its own. That the target is named keeps the flags
 * from what runs at build time.
 */
export async function nightly(folder, flags) {
  const { stdout } = await run('rustc', ['--version', '--verbose'])
  const [, host] = /^host: (.+)$/m.exec(stdout)
  return {
    RUSTUP_TOOLCHAIN: 'nightly',
    RUSTFLAGS: flags.join(' '),
    CARGO_TARGET_DIR: join(root, 'target', folder),
    CARGO_BUILD_TARGET: host,
    CARGO_INCREMENTAL: '0',
  }
}
