import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { archivesFound } from '../pmdk.mjs'
import { root, step } from '../run.mjs'
import { folderOf } from '../tools.mjs'
import { binaryOf, packageFolder } from './platforms.mjs'
import { glibc, hostTarget } from './targets.mjs'
import { debian, python, rustTarget, unpackedDebian } from './tools.mjs'

/** Cargo's folder for these builds: in that of the other builds, each kind would make the other begin anew. */
const cargoFolder = join(root, 'target/packages')

/** The oldest macOS: the first that runs on arm64. */
const macos = { MACOSX_DEPLOYMENT_TARGET: '11.0' }

/**
 * How a target is built: each resolves to cargo's command, the name of the target for it, the environment, and the name
 * of what comes out.
 */
const builders = {
  /** On the target's own system, with that system's linker. */
  async native({ triple, platform: { os } }) {
    return { command: 'build', triple, env: macos, made: os === 'win32' ? 'pmem_node.dll' : 'libpmem_node.dylib' }
  },

  /** For Linux and macOS, on any machine: zig brings the C libraries of all, glibc's in every version. */
  async zig({ triple, platform: { os, libc } }) {
    const path = await python()
    return {
      command: 'zigbuild',
      triple: libc === 'glibc' ? `${triple}.${glibc}` : triple,
      env: { ...macos, PATH: path + delimiter + process.env.PATH },
      made: os === 'darwin' ? 'libpmem_node.dylib' : 'libpmem_node.so',
    }
  },

  /** For Windows, with GNU tools: the module finds the program that loads it, whatever that was made with. */
  async mingw() {
    await debian('gcc-mingw-w64-x86-64')
    const env = { LIBNODE_PATH: await libnode() }
    return { command: 'build', triple: 'x86_64-pc-windows-gnu', env, made: 'pmem_node.dll' }
  },
}

/**
 * A folder for LIBNODE_PATH. For Windows with GNU tools the build script of napi wants a library of Node.js to link, of
 * which nothing is used.
 */
export function libnode() {
  return folderOf('libnode', (folder) => {
    writeFileSync(join(folder, 'libnode.dll'), '')
    // An archive without members.
    writeFileSync(join(folder, 'libnode.a'), '!<arch>\n')
  })
}

/** Builds a target's native module into its package; throws Unavailable where this machine lacks what that takes. */
export async function buildTarget(target) {
  // On Linux zig is the builder of its own system too, for the sake of an old glibc.
  const own = process.platform === target.platform.os && target.platform.os !== 'linux'
  const { command, triple, env, made } = await builders[own ? 'native' : target.cross](target)
  const [rust] = triple.split('.')
  await rustTarget(rust)
  const args = [command, '--release', '--locked', '--package', 'pmem-node', '--target', triple, '--target-dir', cargoFolder]
  const pmdk = target.engines.includes('pmdk')
  if (!pmdk) args.push('--no-default-features')
  const PMDK_LIB_DIR = pmdk ? await pmdkFor(target) : undefined
  await step(`native module: ${target.name}`, 'cargo', args, { env: { ...env, PMDK_LIB_DIR } })
  mkdirSync(packageFolder(target), { recursive: true })
  copyFileSync(join(cargoFolder, rust, 'release', made), binaryOf(target))
}

/** The folder with PMDK's archives for a target; undefined where the machine's own are meant. */
async function pmdkFor(target) {
  if (target === hostTarget() && (await archivesFound())) return process.env.PMDK_LIB_DIR
  const { cpu } = target.platform
  const architecture = { x64: 'amd64', arm64: 'arm64' }[cpu]
  const packages = ['libpmem-dev', 'libpmemlog-dev', 'libpmemblk-dev']
  const unpacked = await unpackedDebian(`pmdk-${cpu}`, packages, { architecture })
  return join(unpacked, 'usr/lib', `${target.triple.split('-')[0]}-linux-gnu`)
}
