import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { installDebian, mayInstall } from '../debian.mjs'
import { root, run } from '../run.mjs'

/** What is installed: the emulator with its virtiofsd, and what packs the first files of the machine. */
const INSTALLED = ['qemu-system-x86', 'cpio', 'e2fsprogs']

/** What is unpacked only: a kernel with its modules, which this one needs to be named, and its first programs. */
const KERNEL = 'linux-image-cloud-amd64'
const PROGRAMS = 'busybox-static'

const VIRTIOFSD = '/usr/lib/qemu/virtiofsd'

export const cache = join(root, 'target/dax-vm')

/**
 * Gets what the machine is made of, from Debian, once: resolves to `{ qemu, virtiofsd, kernel, modules, busybox }`, or where
 * that cannot be had to `{ reason }`.
 */
export async function preparePackages() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return { reason: 'the machine is one of Linux on x86-64' }
  if (process.getuid() !== 0) return { reason: 'it shows the files of this machine, which takes root' }
  if (!(await installDebian(INSTALLED))) return { reason: `the Debian packages ${INSTALLED.join(', ')} are not installed` }
  if (!existsSync(VIRTIOFSD)) return { reason: `qemu comes without ${VIRTIOFSD}, which it has in Debian 12` }
  const folder = join(cache, 'packages')
  if (!existsSync(folder)) {
    const reason = await unpack(folder)
    if (reason) return { reason }
  }
  const version = readdirSync(join(folder, 'lib/modules'))[0]
  return {
    qemu: 'qemu-system-x86_64',
    virtiofsd: VIRTIOFSD,
    version,
    kernel: join(folder, 'boot', `vmlinuz-${version}`),
    modules: join(folder, 'lib/modules', version),
    busybox: join(folder, 'bin/busybox'),
  }
}

/** Downloads the packages and unpacks them into `folder`, which is there whole or not at all. Resolves to why not. */
async function unpack(folder) {
  if (!mayInstall()) return 'PMEM_NO_INSTALL is set, and the kernel was not downloaded before'
  const part = join(cache, `packages-${process.pid}`)
  mkdirSync(part, { recursive: true })
  try {
    const packages = [await kernelPackage(), PROGRAMS]
    const { ok, output } = await run('apt-get', ['download', ...packages], { cwd: part })
    if (!ok) return `no Debian packages ${packages.join(', ')}: ${output.trim().split('\n').at(-1)}`
    for (const archive of readdirSync(part).filter((name) => name.endsWith('.deb'))) {
      const unpacked = await run('dpkg-deb', ['--extract', archive, '.'], { cwd: part })
      if (!unpacked.ok) return unpacked.output.trim()
      rmSync(join(part, archive))
    }
    renameSync(part, folder)
  } finally {
    rmSync(part, { recursive: true, force: true })
  }
}

/** The package of the kernel that Debian has now. */
async function kernelPackage() {
  const depended = async () => /Depends: (linux-image-\S+)/.exec((await run('apt-cache', ['depends', KERNEL])).stdout)?.[1]
  const found = await depended()
  if (found) return found
  await run('apt-get', ['update'])
  return (await depended()) ?? KERNEL
}
