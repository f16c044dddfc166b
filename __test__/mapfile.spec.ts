import { existsSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { umask } from 'node:process'
import test, { type ExecutionContext } from 'ava'
import { capabilities, pmem } from 'pmem'
import { throws } from './helpers/errors.js'
import { file, folder, text } from './helpers/files.js'

const { pageSize } = capabilities

/** A path where nothing is. */
function fresh(t: ExecutionContext): string {
  return join(folder(t), 'fresh')
}

test('create makes a file of zeros', (t) => {
  const path = fresh(t)
  const region = pmem.mapFile(path, { create: true, length: 10_000 })
  t.is(region.byteLength, 10_000)
  t.deepEqual(region.read(), Buffer.alloc(10_000))
  t.is(statSync(path).size, 10_000)
  region.close()
})

test('the cursor of a new region is at its start', (t) => {
  const path = fresh(t)
  const region = pmem.mapFile(path, { create: true, length: 100n })
  t.is(region.position, 0)
  region.write('first')
  region[Symbol.dispose]()
  t.is(text(path, 5), 'first')
})

test('create keeps what an existing file holds', (t) => {
  const path = file(t, 'kept')
  const same = pmem.mapFile(path, { create: true, length: 4 })
  t.is(same.read().toString(), 'kept')
  same.close()
  const grown = pmem.mapFile(path, { create: true, length: 8 })
  t.deepEqual(grown.read(), Buffer.from('kept\0\0\0\0'))
  grown.close()
  t.is(statSync(path).size, 8)
})

test('create makes a file longer by the offset', (t) => {
  const path = fresh(t)
  const region = pmem.mapFile(path, { create: true, length: 100, offset: pageSize })
  t.is(region.byteLength, 100)
  region.write('beyond')
  region.close()
  t.is(statSync(path).size, pageSize + 100)
  t.is(text(path, pageSize + 6, pageSize), 'beyond')
})

test('create needs a length', (t) => {
  const path = fresh(t)
  throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"length"' }, () => pmem.mapFile(path, { create: true }))
  throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"length"' }, () => pmem.mapFile(path, { tmpfile: true }))
  t.false(existsSync(path))
})

test('a smaller length is refused and the file stays as it was', (t) => {
  const path = file(t, 'all of this')
  for (const length of [1, 10]) {
    throws(t, { code: 'ERR_OUT_OF_RANGE', says: '"length"' }, () => pmem.mapFile(path, { create: true, length }))
    throws(t, 'ERR_OUT_OF_RANGE', () => pmem.mapFile(path, { create: true, length, sparse: true }))
  }
  t.is(readFileSync(path, 'utf8'), 'all of this')
})

test('truncate cuts a longer file and leaves others alone', (t) => {
  const path = file(t, 'all of this')
  const region = pmem.mapFile(path, { create: true, length: 3, truncate: true })
  t.is(region.read().toString(), 'all')
  region.close()
  t.is(readFileSync(path, 'utf8'), 'all')
  pmem.mapFile(path, { create: true, length: 4, truncate: true }).close()
  t.is(readFileSync(path, 'utf8'), 'all\0')
  pmem.mapFile(`${path}.new`, { create: true, length: 4, truncate: true }).close()
  t.is(readFileSync(`${path}.new`, 'utf8'), '\0\0\0\0')
})

test('exclusive makes new files alone', (t) => {
  const path = fresh(t)
  const make = () => pmem.mapFile(path, { create: true, exclusive: true, length: 4096 })
  make().close()
  writeFileSync(path, 'mine')
  throws(t, { code: 'EEXIST', syscall: 'pmem_map_file', path }, make)
  t.is(readFileSync(path, 'utf8'), 'mine')
})

test('exclusive refuses a link, also a dangling one', (t) => {
  const path = fresh(t)
  symlinkSync(`${path}.target`, path)
  throws(t, { code: 'EEXIST', path }, () => pmem.mapFile(path, { create: true, exclusive: true, length: 4096 }))
  t.false(existsSync(`${path}.target`))
})

test('blocks are allocated, or not where the file is sparse', (t) => {
  const here = folder(t)
  const length = 2 ** 20
  const allocated = (name: string) => statSync(join(here, name)).blocks * 512
  pmem.mapFile(join(here, 'whole'), { create: true, length }).close()
  t.true(allocated('whole') >= length)
  pmem.mapFile(join(here, 'sparse'), { create: true, length, sparse: true }).close()
  t.true(allocated('sparse') < length)
  t.is(statSync(join(here, 'sparse')).size, length)
  pmem.mapFile(join(here, 'sparse'), { create: true, length }).close()
  t.true(allocated('sparse') >= length)
})

test('a temporary file has no name', (t) => {
  const here = folder(t)
  const region = pmem.mapFile(here, { tmpfile: true, length: 4096 })
  t.deepEqual(readdirSync(here), [])
  region.write('nowhere to be found')
  region.persist()
  region.seek(0)
  t.is(region.read(19).toString(), 'nowhere to be found')
  region.close()
  t.deepEqual(readdirSync(here), [])
})

test('a temporary file with every other flag of libpmem', (t) => {
  const here = folder(t)
  const region = pmem.mapFile(here, { tmpfile: true, create: true, exclusive: true, sparse: true, length: 10_000, offset: pageSize })
  t.is(region.byteLength, 10_000)
  region.fill(1)
  t.deepEqual(region.read(), Buffer.alloc(10_000, 1))
  region.close()
  t.deepEqual(readdirSync(here), [])
})

test('a temporary file needs a folder', (t) => {
  const path = file(t, 'kept')
  throws(t, { code: 'ENOTDIR', syscall: 'pmem_map_file', path }, () => pmem.mapFile(path, { tmpfile: true, length: 4096 }))
  throws(t, { code: 'ENOENT', path: `${path}.no` }, () => pmem.mapFile(`${path}.no`, { tmpfile: true, length: 4096 }))
  t.is(readFileSync(path, 'utf8'), 'kept')
})

test('the mode is subject to the umask', (t) => {
  const path = fresh(t)
  const made = (mode?: number) => {
    pmem.mapFile(path, { create: true, length: 1, ...(mode === undefined ? {} : { mode }) }).close()
    const { mode: found } = statSync(path)
    rmSync(path)
    return found & 0o7777
  }
  const before = umask(0o027)
  try {
    t.is(made(), 0o640)
    t.is(made(0o600), 0o600)
    t.is(made(0o777), 0o750)
    umask(0)
    t.is(made(), 0o666)
    t.is(made(0o604), 0o604)
  } finally {
    umask(before)
  }
})

test('the mode of an existing file stays', (t) => {
  const path = file(t)
  const { mode } = statSync(path)
  pmem.mapFile(path, { create: true, length: 4096, mode: 0o777 }).close()
  t.is(statSync(path).mode, mode)
})

test('flags that need create', (t) => {
  const path = file(t, 'kept')
  for (const flag of ['exclusive', 'sparse', 'truncate']) {
    throws(t, 'ERR_INVALID_ARG_VALUE', () => pmem.mapFile(path, { [flag]: true }), flag)
    throws(t, 'ERR_INVALID_ARG_VALUE', () => pmem.mapFile(path, { [flag]: true, length: 1 }), flag)
  }
  t.is(readFileSync(path, 'utf8'), 'kept')
})

test('a file that is made cannot be readonly', (t) => {
  const path = fresh(t)
  throws(t, { code: 'ERR_INVALID_ARG_VALUE', says: '"readonly"' }, () =>
    pmem.mapFile(path, { create: true, length: 4096, readonly: true }))
  t.false(existsSync(path))
})

test('a call that fails leaves no file behind', (t) => {
  const path = fresh(t)
  throws(t, 'ERR_OUT_OF_RANGE', () => pmem.mapFile(path, { create: true, length: 4096, offset: 1 }))
  for (const length of [2 ** 47, 2 ** 53 - 1]) {
    const error = t.throws<NodeJS.ErrnoException>(() => pmem.mapFile(path, { create: true, sparse: true, length }))
    t.true(['EFBIG', 'EINVAL', 'ENOMEM'].includes(error?.code ?? ''), String(error))
    t.is(error?.path, path)
    t.false(existsSync(path))
  }
})

test('a call that fails leaves an existing file as it was', (t) => {
  const path = file(t, 'as it was')
  throws(t, 'ERR_OUT_OF_RANGE', () => pmem.mapFile(path, { create: true, length: 4096, offset: 1 }))
  for (const length of [2 ** 47, 2 ** 53 - 1]) {
    t.throws(() => pmem.mapFile(path, { create: true, sparse: true, length }))
    t.is(statSync(path).size, 9)
  }
  t.is(readFileSync(path, 'utf8'), 'as it was')
})

test('a file that is missing is told to be made by create', (t) => {
  const path = fresh(t)
  throws(t, { code: 'ENOENT', syscall: 'pmem_map_file', path, says: 'create: true' }, () => pmem.mapFile(path))
  t.false(existsSync(path))
})

test('a dangling link', (t) => {
  const path = fresh(t)
  symlinkSync(join(path, '../no/where'), path)
  throws(t, { code: 'ENOENT', path }, () => pmem.mapFile(path))
  throws(t, { code: 'ENOENT', path }, () => pmem.mapFile(path, { create: true, length: 4096 }))
})
