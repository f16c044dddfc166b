/** The oldest glibc that the released binaries ask for: that of RHEL 8; Ubuntu 20.04's is newer. */
export const glibc = '2.28'

/**
 * Every platform that has a package, `pmem-<name>`: `triple` is what Rust calls it, and `engines` what its binary must
 * have. `cross` says what builds it on machines of another kind (a key of `builders` in build.mjs), and `runs` what runs
 * it there (a key of `runners` in runners.mjs). Those that most depend on come first.
 */
export const targets = [
  {
    name: 'linux-x64-gnu',
    platform: { os: 'linux', cpu: 'x64', libc: 'glibc' },
    triple: 'x86_64-unknown-linux-gnu',
    cross: 'zig',
    engines: ['pmdk', 'rust'],
  },
  {
    name: 'linux-arm64-gnu',
    platform: { os: 'linux', cpu: 'arm64', libc: 'glibc' },
    triple: 'aarch64-unknown-linux-gnu',
    cross: 'zig',
    engines: ['pmdk', 'rust'],
    runs: 'qemu',
  },
  {
    name: 'win32-x64-msvc',
    platform: { os: 'win32', cpu: 'x64' },
    triple: 'x86_64-pc-windows-msvc',
    cross: 'mingw',
    engines: ['rust'],
    runs: 'wine',
  },
  {
    name: 'linux-x64-musl',
    platform: { os: 'linux', cpu: 'x64', libc: 'musl' },
    triple: 'x86_64-unknown-linux-musl',
    cross: 'zig',
    engines: ['rust'],
    runs: 'musl',
  },
  {
    name: 'darwin-arm64',
    platform: { os: 'darwin', cpu: 'arm64' },
    triple: 'aarch64-apple-darwin',
    cross: 'zig',
    engines: ['rust'],
  },
  {
    name: 'linux-arm64-musl',
    platform: { os: 'linux', cpu: 'arm64', libc: 'musl' },
    triple: 'aarch64-unknown-linux-musl',
    cross: 'zig',
    engines: ['rust'],
    runs: 'qemuMusl',
  },
  {
    name: 'darwin-x64',
    platform: { os: 'darwin', cpu: 'x64' },
    triple: 'x86_64-apple-darwin',
    cross: 'zig',
    engines: ['rust'],
  },
]

/** The target that this very process runs on; undefined where there is none. */
export function hostTarget() {
  const libc = process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl'
  return targets.find(({ platform: { os, cpu, libc: wanted = libc } }) => {
    return os === process.platform && cpu === process.arch && wanted === libc
  })
}
