import assert from 'node:assert/strict'
import { join } from 'node:path'
import { root, run, StepError } from '../run.mjs'
import { binaryOf } from './platforms.mjs'
import { glibc } from './targets.mjs'
import { python } from './tools.mjs'

const machines = { x64: ['X86_64', 'AMD64'], arm64: ['AARCH64', 'ARM64'] }

/** The libraries that every system of a kind has. */
const systems = {
  glibc: /^(libc\.so\.6|lib(pthread|dl|rt|m|util|gcc_s)\.so\.\d|ld-linux-[\w-]+\.so\.\d)$/,
  musl: /^(libc(\.musl-\w+)?\.so(\.1)?|libgcc_s\.so\.1)$/,
  darwin: /^(\/usr\/lib\/lib(System\.B|iconv\.2|charset\.1)\.dylib|pmem\.node)$/,
  win32: /^(kernel32|ntdll|msvcrt|bcryptprimitives|advapi32|ws2_32|userenv|api-ms-win-[\w-]+)\.dll$/i,
}

/** Checks what the binaries of targets ask of the machine that loads them, without loading them. */
export async function testBinaries(suite, targets) {
  const found = await inspect(targets)
  for (const target of targets) {
    await suite.check(`pmem-${target.name}: what its binary needs and offers`, () => check(target, found[binaryOf(target)]))
  }
}

async function inspect(targets) {
  const args = [join(root, 'scripts/lib/packages/inspect.py'), ...targets.map(binaryOf)]
  const { ok, stdout, output } = await run(join(await python(), 'python'), args)
  if (!ok) throw new StepError(output)
  return JSON.parse(stdout)
}

function check({ platform: { os, cpu, libc } }, binary) {
  const bare = (names) => names.map((name) => (os === 'darwin' ? name.replace(/^_/, '') : name))
  assert.ok(machines[cpu].includes(binary.machine), binary.machine)
  assert.ok(bare(binary.exports).includes('napi_register_module_v1'), 'it is no Node-API module')
  assert.deepEqual(binary.needed.filter((name) => !systems[libc ?? os].test(name)), [])
  // PMDK is inside, and Node-API is looked up in the program.
  assert.deepEqual(bare(binary.imports).filter((name) => /^(pmem|pmemlog|pmemblk|ndctl|daxctl|napi)_/.test(name)), [])
  assert.equal(binary.debug, false, 'it has debug information')
  if (libc === 'glibc') assert.deepEqual(binary.versions.filter(isNewer), [])
  if (os !== 'darwin') return
  assert.ok(binary.minimum[0] <= 11, `it needs macOS ${binary.minimum.join('.')}`)
  assert.ok(binary.signed || cpu !== 'arm64', 'macOS on arm64 loads signed modules only')
}

/** Whether a symbol's version, such as `GLIBC_2.17`, came after the oldest glibc that is supported. */
function isNewer(version) {
  const [, minor] = /^GLIBC_2\.(\d+)/.exec(version) ?? []
  return Number(minor) > Number(glibc.split('.')[1])
}
