/** Files that a user may not open. Root may open all, so it becomes another user for the length of a call. */

import { chmodSync, existsSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import test from 'ava'
import { pmem } from 'pmem'
import { throws } from './helpers/errors.js'
import { file } from './helpers/files.js'

const NOBODY = 65_534

/** Calls `work` as a user without rights, inside `folder`, since the folders above it may be closed to others. */
function asUser<T>(folder: string, work: () => T): T {
  const before = process.cwd()
  const root = process.geteuid?.() === 0
  process.chdir(folder)
  try {
    if (root) process.seteuid?.(NOBODY)
    return work()
  } finally {
    if (root) process.seteuid?.(0)
    process.chdir(before)
  }
}

/** A file in a folder, with these permissions for all. */
function restricted(path: string, mode: number, folderMode = 0o755): string {
  chmodSync(path, mode)
  chmodSync(dirname(path), folderMode)
  return dirname(path)
}

test('a file that may not be read', (t) => {
  const here = restricted(file(t), 0)
  const path = 'file'
  asUser(here, () => {
    throws(t, { code: 'EACCES', syscall: 'open', path }, () => pmem.map(path))
    throws(t, { code: 'EACCES', syscall: 'open', path }, () => pmem.map(path, undefined, { readonly: true }))
    throws(t, { code: 'EACCES', syscall: 'pmem_map_file', path }, () => pmem.mapFile(path))
    throws(t, { code: 'EACCES', syscall: 'pmem_map_file', path }, () => pmem.mapFile(path, { create: true, length: 4096 }))
  })
})

test('a file that may only be read', (t) => {
  const target = file(t, 'only to read')
  const here = restricted(target, 0o444)
  const path = 'file'
  asUser(here, () => {
    throws(t, { code: 'EACCES', syscall: 'open', path }, () => pmem.map(path))
    throws(t, { code: 'EACCES', path }, () => pmem.mapFile(path, { create: true, length: 4096 }))
    using region = pmem.map(path, undefined, { readonly: true })
    t.is(region.read().toString(), 'only to read')
  })
  t.is(readFileSync(target, 'utf8'), 'only to read')
})

test('a folder in which nothing may be made', (t) => {
  const here = restricted(file(t), 0o666, 0o555)
  asUser(here, () => {
    throws(t, { code: 'EACCES', path: 'new' }, () => pmem.mapFile('new', { create: true, length: 4096 }))
    throws(t, { code: 'EACCES', path: '.' }, () => pmem.mapFile('.', { tmpfile: true, length: 4096 }))
    t.false(existsSync('new'))
    pmem.mapFile('file', { create: true, length: 4096 }).close()
  })
  chmodSync(here, 0o755)
})
