/** Small file systems, where this user may mount some. */

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { folder } from './files.js'

export type FileSystem = 'tmpfs' | 'ext4'

const silent = { stdio: 'ignore' } as const

function mount(kind: FileSystem, megabytes: number, path: string): void {
  if (kind === 'tmpfs') {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path], silent)
    return
  }
  const image = `${path}.image`
  writeFileSync(image, '')
  truncateSync(image, megabytes * 2 ** 20)
  execFileSync('mkfs.ext4', ['-q', '-m', '0', image], silent)
  execFileSync('mount', ['-o', 'loop', image, path], silent)
}

const unmount = (path: string) => execFileSync('umount', [path], silent)

function canMount(kind: FileSystem): boolean {
  const path = join(mkdtempSync(join(tmpdir(), 'pmem-')), 'disk')
  mkdirSync(path)
  try {
    mount(kind, 4, path)
    unmount(path)
    return true
  } catch {
    return false
  } finally {
    rmSync(join(path, '..'), { recursive: true })
  }
}

/** A test that needs a small disk, which takes root and a loop device. */
export function onSmall(kind: FileSystem): typeof test.skip {
  return canMount(kind) ? test : test.skip
}

/** Mounts an ext4 again, writable. */
export function mountAgain(path: string): void {
  unmount(path)
  execFileSync('mount', ['-o', 'loop', `${path}.image`, path], silent)
}

/** The folder of a new, small file system, which goes when the test ends. */
export function smallDisk(t: ExecutionContext, kind: FileSystem, megabytes: number): string {
  const path = join(folder(t), 'disk')
  mkdirSync(path)
  mount(kind, megabytes, path)
  t.teardown(() => unmount(path))
  return path
}
