import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { installDebian } from './debian.mjs'
import { run } from './run.mjs'

const packages = ['pkg-config', 'libpmem-dev', 'libpmemlog-dev', 'libpmemblk-dev', 'pmdk-tools']
const archives = ['libpmem.a', 'libpmemlog.a', 'libpmemblk.a']

/** Installs PMDK where that is possible, and tells whether the build can link it. */
export async function preparePmdk() {
  if (process.env.PMEM_WITHOUT_PMDK === '1') return without('PMEM_WITHOUT_PMDK is set')
  if (!process.env.PMDK_LIB_DIR) await installDebian(packages)
  return (await archivesFound()) || without('PMDK is not installed')
}

function without(reason) {
  console.log(`${reason}: building without PMDK, with the Rust engine alone`)
  return false
}

/** Whether PMDK's archives are where the build script of pmem-sys looks. */
export async function archivesFound() {
  const folder = process.env.PMDK_LIB_DIR || (await run('pkg-config', ['--variable=libdir', 'libpmem'])).stdout.trim()
  return archives.every((name) => existsSync(join(folder, name)))
}
