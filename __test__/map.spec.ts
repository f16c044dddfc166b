import { constants } from 'node:buffer'
import { closeSync, openSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { chdir, cwd } from 'node:process'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { capabilities, pmem } from 'pmem'
import { throws } from './helpers/errors.js'
import { external } from './helpers/external.js'
import { file, folder, mapped, text } from './helpers/files.js'
import { ended } from './helpers/programs.js'

const { pageSize } = capabilities

/** Writes through a region, closes it, and asserts that the file got it. */
function writes(t: ExecutionContext, region: pmem.Region, path: string, start = 0): void {
  region.write('written')
  region.close()
  t.is(text(path, start + 7, start), 'written')
}

test('a path, as text, bytes or URL', (t) => {
  const path = join(folder(t), 'a b%20ü€')
  for (const named of [path, Buffer.from(path), pathToFileURL(path)]) {
    writeFileSync(path, Buffer.alloc(4096))
    writes(t, pmem.map(named), path)
    writeFileSync(path, Buffer.alloc(4096))
    writes(t, pmem.mapFile(named), path)
  }
})

test('a path that is not UTF-8', (t) => {
  const path = Buffer.concat([Buffer.from(`${folder(t)}/`), Buffer.from([0xff, 0xfe])])
  writeFileSync(path, Buffer.alloc(100))
  const region = pmem.map(path)
  region.write('written')
  region.close()
  t.is(readFileSync(path, 'utf8').slice(0, 7), 'written')
})

test('a path below the working directory', (t) => {
  const path = file(t)
  const before = cwd()
  chdir(dirname(path))
  try {
    writes(t, pmem.map('file'), path)
    pmem.mapFile('new', { create: true, length: 100 }).close()
    t.is(readFileSync(join(dirname(path), 'new')).length, 100)
  } finally {
    chdir(before)
  }
})

test('a symbolic link', (t) => {
  const path = file(t)
  symlinkSync(path, `${path}.link`)
  writes(t, pmem.map(`${path}.link`), path)
})

test('a descriptor, which may be closed at once', (t) => {
  const path = file(t)
  const descriptor = openSync(path, 'r+')
  const region = pmem.map(descriptor)
  closeSync(descriptor)
  writes(t, region, path)
})

test('a FileHandle, which may be closed at once', async (t) => {
  const path = file(t)
  const handle = await open(path, 'r+')
  const region = pmem.map(handle)
  await handle.close()
  writes(t, region, path)
})

test('an object with a descriptor', (t) => {
  const path = file(t)
  const fd = openSync(path, 'r+')
  const region = pmem.map({ fd })
  closeSync(fd)
  writes(t, region, path)
})

test('a file that is renamed or removed stays mapped', (t) => {
  const path = file(t)
  const region = pmem.map(path)
  renameSync(path, `${path}.moved`)
  region.write('moved')
  region.persist()
  t.is(text(`${path}.moved`, 5), 'moved')
  rmSync(`${path}.moved`)
  region.seek(0)
  region.write('removed')
  region.persist()
  region.seek(0)
  t.is(region.read(7).toString(), 'removed')
  region.close()
})

test('the length is that of the file, or what is asked for', (t) => {
  const path = file(t, 10_000)
  for (const [asked, length] of [[undefined, 10_000], [1, 1], [4097, 4097], [10_000, 10_000], [9999n, 9999]] as const) {
    const region = pmem.map(path, asked)
    t.is(region.byteLength, length)
    t.is(region.read().length, length)
    region.close()
    const again = pmem.mapFile(path, { length: asked })
    t.is(again.byteLength, length)
    again.close()
  }
})

test('an offset in the file', (t) => {
  const path = file(t, 3 * pageSize)
  const rest = pmem.map(path, undefined, { offset: pageSize })
  t.is(rest.byteLength, 2 * pageSize)
  writes(t, rest, path, pageSize)
  const last = pmem.map(path, 100, { offset: BigInt(2 * pageSize) })
  t.is(last.byteLength, 100)
  writes(t, last, path, 2 * pageSize)
  const found = pmem.mapFile(path, { offset: 2 * pageSize, length: 7, readonly: true })
  t.is(found.read().toString(), 'written')
  found.close()
  t.is(text(path, 7), '\0\0\0\0\0\0\0')
})

test('two regions over one file show the same bytes', (t) => {
  const { path, region } = mapped(t)
  const other = pmem.map(path)
  region.write('seen')
  t.is(other.read(4).toString(), 'seen')
  region.close()
  other.write(' still')
  other.close()
  t.is(text(path, 10), 'seen still')
})

test('what is written reaches other processes', async (t) => {
  const { path, region } = mapped(t)
  region.write('from here')
  region.persist(0, 9)
  const script = `
    const { pmem } = require('pmem')
    const region = pmem.map(process.argv[1])
    process.stdout.write(region.read(9))
    region.write(', from there')
    region.close()`
  const { status, stdout, stderr } = await ended(process.execPath, ['-e', script, path])
  t.is(status, 0, stderr)
  t.is(stdout, 'from here')
  t.is(region.read(12).toString(), ', from there')
})

test('an external buffer can be asked for', external((t) => {
  const { region } = mapped(t, 4096, { memory: 'external' })
  t.is(region.buffer.byteLength, 4096)
}))

test('an external buffer is refused where there is none', (t) => {
  const path = file(t)
  const map = () => pmem.map(path, undefined, { memory: 'external' }).close()
  const mapFile = () => pmem.mapFile(path, { memory: 'external' }).close()
  if (capabilities.externalBuffers) {
    t.notThrows(map)
    t.notThrows(mapFile)
  } else {
    throws(t, 'ERR_PMEM_UNSUPPORTED', map)
    throws(t, 'ERR_PMEM_UNSUPPORTED', mapFile)
  }
})

test('a missing file', (t) => {
  const path = join(folder(t), 'missing')
  throws(t, { code: 'ENOENT', syscall: 'open', path }, () => pmem.map(path))
  throws(t, { code: 'ENOENT', syscall: 'open', path }, () => pmem.map(Buffer.from(path)))
  throws(t, { code: 'ENOENT', syscall: 'open', path }, () => pmem.map(pathToFileURL(path)))
  throws(t, { code: 'ENOENT', syscall: 'open', path }, () => pmem.map(path, 4096, { readonly: true }))
  throws(t, { code: 'ENOENT', syscall: 'pmem_map_file', path }, () => pmem.mapFile(path))
  throws(t, { code: 'ENOENT', syscall: 'pmem_map_file', path: `${path}/file` }, () =>
    pmem.mapFile(`${path}/file`, { create: true, length: 4096 }))
})

test('a file where a folder is needed', (t) => {
  const path = `${file(t)}/file`
  throws(t, { code: 'ENOTDIR', path }, () => pmem.map(path))
  throws(t, { code: 'ENOTDIR', path }, () => pmem.mapFile(path, { create: true, length: 4096 }))
})

test('a folder', (t) => {
  const path = folder(t)
  throws(t, { code: 'EISDIR', path }, () => pmem.map(path))
  throws(t, { code: 'EISDIR', path }, () => pmem.map(path, 4096, { readonly: true }))
  throws(t, { code: 'EISDIR', syscall: 'pmem_map_file', path }, () => pmem.mapFile(path))
  throws(t, { code: 'EISDIR', syscall: 'pmem_map_file', path }, () => pmem.mapFile(path, { create: true, length: 4096 }))
  const descriptor = openSync(path, 'r')
  throws(t, { code: 'EISDIR' }, () => pmem.map(descriptor, 4096, { readonly: true }))
  closeSync(descriptor)
})

test('a device', (t) => {
  throws(t, { code: 'ENODEV', path: '/dev/null' }, () => pmem.map('/dev/null', 4096))
  throws(t, { code: 'ENODEV', path: '/dev/null' }, () => pmem.mapFile('/dev/null', { create: true, length: 4096 }))
})

test('a named pipe is refused and does not block', async (t) => {
  const path = join(folder(t), 'pipe')
  t.is((await ended('mkfifo', [path])).status, 0)
  throws(t, { code: 'ENODEV', path }, () => pmem.map(path, 4096))
  throws(t, { code: 'ENODEV', path }, () => pmem.map(path, 4096, { readonly: true }))
  throws(t, { code: 'ENODEV', path }, () => pmem.mapFile(path, { create: true, length: 4096 }))
})

test('an empty file', (t) => {
  const path = file(t, 0)
  throws(t, { code: 'EINVAL', path }, () => pmem.map(path))
  throws(t, { code: 'EINVAL', path }, () => pmem.map(path, undefined, { readonly: true }))
  throws(t, { code: 'EINVAL', syscall: 'pmem_map_file', path }, () => pmem.mapFile(path))
  throws(t, { code: 'ERR_OUT_OF_RANGE', says: '"byteLength"' }, () => pmem.map(path, 1))
})

test('an offset at the very end leaves nothing to map', (t) => {
  const path = file(t, 2 * pageSize)
  throws(t, { code: 'EINVAL', path }, () => pmem.map(path, undefined, { offset: 2 * pageSize }))
  throws(t, { code: 'ERR_OUT_OF_RANGE', says: '"byteLength"' }, () => pmem.map(path, 1, { offset: 2 * pageSize }))
})

test('a range past the end of the file', (t) => {
  const path = file(t, 2 * pageSize)
  throws(t, 'ERR_OUT_OF_RANGE', () => pmem.map(path, 2 * pageSize + 1))
  throws(t, 'ERR_OUT_OF_RANGE', () => pmem.map(path, pageSize + 1, { offset: pageSize }))
  throws(t, 'ERR_OUT_OF_RANGE', () => pmem.map(path, undefined, { offset: 3 * pageSize }))
  throws(t, 'ERR_OUT_OF_RANGE', () => pmem.mapFile(path, { length: 2 * pageSize + 1 }))
  t.is(readFileSync(path).length, 2 * pageSize)
})

test('a closed descriptor', (t) => {
  const descriptor = openSync(file(t), 'r+')
  closeSync(descriptor)
  throws(t, 'EBADF', () => pmem.map(descriptor))
  throws(t, 'EBADF', () => pmem.map({ fd: descriptor }))
  throws(t, 'EBADF', () => pmem.map(2 ** 31 - 1))
})

test('a closed FileHandle', async (t) => {
  const handle = await open(file(t), 'r+')
  await handle.close()
  throws(t, 'EBADF', () => pmem.map(handle))
})

test('a descriptor that may only read', (t) => {
  const path = file(t, 'as it was')
  const descriptor = openSync(path, 'r')
  t.teardown(() => closeSync(descriptor))
  throws(t, { code: 'EACCES', syscall: 'mmap' }, () => pmem.map(descriptor))
  const region = pmem.map(descriptor, undefined, { readonly: true })
  t.is(region.read().toString(), 'as it was')
  region.close()
})

test('a descriptor that may only write or append', (t) => {
  for (const flags of ['w', 'a'] as const) {
    const path = file(t)
    const descriptor = openSync(path, flags)
    writeFileSync(path, Buffer.alloc(4096))
    throws(t, 'EACCES', () => pmem.map(descriptor))
    throws(t, 'EACCES', () => pmem.map(descriptor, undefined, { readonly: true }))
    closeSync(descriptor)
  }
})

test('a descriptor that is no file', (t) => {
  const descriptor = openSync('/dev/zero', 'r+')
  throws(t, 'ENODEV', () => pmem.map(descriptor, 4096))
  closeSync(descriptor)
})

// No other test opens files meanwhile.
test.serial('a failed call leaves no mapping and no descriptor behind', (t) => {
  const path = file(t, 0)
  const next = () => {
    const descriptor = openSync(path, 'r')
    closeSync(descriptor)
    return descriptor
  }
  const free = next()
  for (let attempt = 0; attempt < 10; attempt += 1) {
    t.throws(() => pmem.map(path))
    t.throws(() => pmem.mapFile(path))
    t.throws(() => pmem.mapFile(path, { create: true, length: 4096, exclusive: true }))
    t.throws(() => pmem.map(dirname(path), 1, { readonly: true }))
  }
  t.is(next(), free)
})

test('a region above the longest ArrayBuffer says how its parts are reached', external((t) => {
  const region = pmem.mapFile(join(folder(t), 'long'), { length: 2 ** 32 + 65_536, create: true, sparse: true, memory: 'external' })
  const view = () => region.view(Float64Array, 2 ** 32, 1)
  if (constants.MAX_LENGTH > 2 ** 32) t.is(view().length, 1)
  else throws(t, { code: 'ERR_PMEM_UNSUPPORTED', says: 'map parts of the file by offset and length' }, view)
  region.close()
}))
