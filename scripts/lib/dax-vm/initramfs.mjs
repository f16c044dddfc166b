import { createHash } from 'node:crypto'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { step } from '../run.mjs'
import { cache } from './packages.mjs'

const INIT = fileURLToPath(new URL('init.sh', import.meta.url))

/** Folders of the kernel's modules; the machine has no others. */
const MODULES = [
  'kernel/arch/x86/crypto',
  'kernel/crypto',
  'kernel/drivers/acpi/nfit',
  'kernel/drivers/char/hw_random',
  'kernel/drivers/dax',
  'kernel/drivers/nvdimm',
  'kernel/drivers/virtio',
  'kernel/fs/fuse',
  'kernel/fs/overlayfs',
  'kernel/lib',
]

/** The file of the machine's first files, made where it is not there: busybox, the modules and the init script. */
export async function makeInitramfs({ version, modules, busybox }) {
  const hash = createHash('sha256').update(version).update(readFileSync(INIT)).update(MODULES.join()).digest('hex')
  const file = join(cache, `initramfs-${hash.slice(0, 16)}`)
  if (existsSync(file)) return file
  const folder = join(cache, `initramfs-${process.pid}.d`)
  try {
    for (const name of ['bin', 'proc', 'sys', 'dev']) mkdirSync(join(folder, name), { recursive: true })
    copyFileSync(busybox, join(folder, 'bin/busybox'))
    copyFileSync(INIT, join(folder, 'init'))
    chmodSync(join(folder, 'init'), 0o755)
    for (const path of modulePaths(modules)) copy(modules, join(folder, 'lib/modules', version), path)
    const pack = `find . | cpio --quiet -o -H newc > ${basename(file)}.part && mv ${basename(file)}.part ../`
    await step('first files of the machine', 'sh', ['-c', pack], { cwd: folder })
    renameSync(`${file}.part`, file)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return file
}

function modulePaths(modules) {
  const files = MODULES.filter((path) => existsSync(join(modules, path))).flatMap((path) =>
    readdirSync(join(modules, path), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(modules.length + 1)),
  )
  return [...files, 'modules.order', 'modules.builtin']
}

function copy(from, to, path) {
  mkdirSync(dirname(join(to, path)), { recursive: true })
  copyFileSync(join(from, path), join(to, path))
}
