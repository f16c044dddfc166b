import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { run, step } from './run.mjs'

const packages = ['pkg-config', 'libpmem-dev', 'libpmemlog-dev', 'libpmemblk-dev', 'pmdk-tools']
const archives = ['libpmem.a', 'libpmemlog.a', 'libpmemblk.a']

/** Installs PMDK where that is possible, and tells whether the build can link it. */
export async function preparePmdk() {
  if (process.env.PMEM_WITHOUT_PMDK === '1') return without('PMEM_WITHOUT_PMDK is set')
  if (mayInstall() && !(await packagesInstalled())) await installPackages()
  return (await archivesFound()) || without('PMDK is not installed')
}

function without(reason) {
  console.log(`${reason}: building without PMDK, with the Rust engine alone`)
  return false
}

function mayInstall() {
  const { PMEM_NO_INSTALL, PMDK_LIB_DIR } = process.env
  return PMEM_NO_INSTALL !== '1' && !PMDK_LIB_DIR && process.platform === 'linux' && process.getuid() === 0
}

async function packagesInstalled() {
  const { output } = await run('dpkg-query', ['--show', '--showformat', '${db:Status-Status}\n', ...packages])
  return output.split('\n').filter((status) => status === 'installed').length === packages.length
}

async function installPackages() {
  if (!(await run('apt-get', ['--version'])).ok) return
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  try {
    await step('Debian package lists', 'apt-get', ['update'], { env })
    await step(packages.join(' '), 'apt-get', ['install', '--yes', '--no-install-recommends', ...packages], { env })
  } catch (error) {
    console.log(error.message)
  }
}

/** Looks where the build script of pmem-sys does. */
async function archivesFound() {
  const folder = process.env.PMDK_LIB_DIR || (await run('pkg-config', ['--variable=libdir', 'libpmem'])).stdout.trim()
  return archives.every((name) => existsSync(join(folder, name)))
}
