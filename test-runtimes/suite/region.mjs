// Regions: files mapped as memory.
import assert from 'node:assert/strict'
import { closeSync, openSync, promises, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { pmem } from 'pmem'
import { check } from '../lib/check.mjs'
import { file, folder, poke, text } from '../lib/files.mjs'
import { checkViews, hasViews } from '../lib/package.mjs'

const CLOSED = { code: 'ERR_PMEM_CLOSED' }

check('region: the cursor writes and reads', () => {
  const path = file(100)
  const region = pmem.map(path)
  assert.equal(region.write('añb'), 4)
  assert.equal(region.write(Uint16Array.of(0x4443, 0x4645)), 4)
  assert.equal(region.write(new Uint8Array([0x67]).buffer), 1)
  assert.equal(region.position, 9)
  region.persist(0, 9)
  assert.equal(text(path, 9), 'añbCDEFg')
  region.seek(1)
  const read = region.read(2)
  assert.ok(Buffer.isBuffer(read))
  assert.equal(read.toString(), 'ñ')
  assert.equal(region.read().length, 97)
  assert.throws(() => region.read(), { code: 'ERR_PMEM_EOF' })
  assert.throws(() => region.write('x'), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' })
  region.close()
})

checkViews('region: a view is the file, in both directions', () => {
  const path = file('abcdefgh'.repeat(1000))
  const region = pmem.map(path)
  const view = region.view(Uint8Array)
  assert.equal(view.length, 8000)
  assert.equal(Buffer.from(view.subarray(0, 8)).toString(), 'abcdefgh')
  view[1] = 0x42
  assert.equal(text(path, 4), 'aBcd')
  poke(path, 2, 'XY')
  assert.equal(Buffer.from(view.subarray(0, 5)).toString(), 'aBXYe')
  region.close()
})

checkViews('region: views of every kind', () => {
  const path = file()
  const region = pmem.map(path)
  const kinds = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array]
  for (const [index, kind] of kinds.entries()) {
    const view = region.view(kind, 64 * index, 2)
    assert.ok(view instanceof kind)
    assert.equal(view.length, 2)
    view[1] = index + 1
    assert.equal(new kind(readFileSync(path).buffer, 64 * index, 2)[1], index + 1)
  }
  region.view(BigInt64Array, 1024, 1)[0] = -5n
  assert.equal(region.view(DataView, 1024).getBigInt64(0, true), -5n)
  assert.equal(region.view(DataView, 1024).byteLength, 65536 - 1024)
  assert.throws(() => region.view(Float64Array, 4), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => region.view(Map), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
  region.close()
})

checkViews('region: the buffer is the same each time, and as long as the region', () => {
  const region = pmem.map(file())
  assert.equal(region.buffer, region.buffer)
  assert.equal(region.buffer.byteLength, 65536)
  assert.equal(region.view(Uint8Array).buffer, region.buffer)
  region.close()
})

check('region: persist, flush, drain, msync, persistMany, persistAsync', async () => {
  const path = file()
  const region = pmem.map(path)
  region.write('persisted')
  region.persist()
  region.flush(0, 4)
  region.drain()
  region.msync(4096)
  region.persistMany([[0, 8], [8192, 64]])
  await region.persistAsync(0, 9)
  pmem.drain()
  assert.throws(() => region.persist(65537), { code: 'ERR_OUT_OF_RANGE' })
  await assert.rejects(region.persistAsync(0, 65537), { code: 'ERR_OUT_OF_RANGE' })
  assert.equal(text(path, 9), 'persisted')
  region.close()
})

check('region: copyFrom and fill', () => {
  const path = file(200_000)
  const region = pmem.map(path)
  region.copyFrom('short', 10)
  region.copyFrom(new Uint8Array(100_000).fill(0x61), 1000, { durable: false })
  region.fill(0x62, 50_000, 50_010)
  region.persist()
  const bytes = readFileSync(path)
  assert.equal(bytes.toString('utf8', 10, 15), 'short')
  assert.equal(bytes.toString('utf8', 49_998, 50_012), 'aabbbbbbbbbbaa')
  assert.equal(bytes[100_999], 0x61)
  assert.equal(bytes[101_000], 0)
  region.close()
})

check('region: mapFile makes files', () => {
  const path = join(folder(), 'made')
  const region = pmem.mapFile(path, { length: 100_000, create: true })
  assert.equal(region.byteLength, 100_000)
  assert.equal(statSync(path).size, 100_000)
  region.close()
  assert.throws(() => pmem.mapFile(path, { length: 10, create: true }), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => pmem.mapFile(path, { length: 10, create: true, exclusive: true }), { code: 'EEXIST' })
  const cut = pmem.mapFile(path, { length: 10, create: true, truncate: true })
  assert.equal(cut.byteLength, 10)
  cut.close()
  const unnamed = pmem.mapFile(folder(), { length: 4096, tmpfile: true })
  assert.equal(unnamed.write('nowhere'), 7)
  unnamed.close()
})

check('region: descriptors, file handles, URLs and Buffers', async () => {
  const path = file('contents')
  const descriptor = openSync(path, 'r+')
  const handle = await promises.open(path, 'r+')
  const regions = [descriptor, handle, path, Buffer.from(path), pathToFileURL(path)].map((given) => pmem.map(given))
  closeSync(descriptor)
  await handle.close()
  for (const region of regions) {
    assert.equal(region.read(8).toString(), 'contents')
    region.close()
  }
  assert.throws(() => pmem.map(handle), { code: 'EBADF' })
})

check('region: an offset', () => {
  const path = file()
  writeFileSync(path, 'second page', { flag: 'r+' })
  const region = pmem.map(path, 4096, { offset: 8192 })
  assert.equal(region.byteLength, 4096)
  region.write('third page')
  assert.equal(text(path, 8202, 8192), 'third page')
  region.close()
  assert.throws(() => pmem.map(path, 65536, { offset: 4096 }), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => pmem.map(path, 10, { offset: 1 }), { code: 'ERR_OUT_OF_RANGE' })
})

check('region: readonly changes nothing in the file', () => {
  const path = file('as it was')
  const region = pmem.map(path, undefined, { readonly: true })
  assert.throws(() => region.write('x'), { code: 'EACCES' })
  assert.throws(() => region.persist(), { code: 'EACCES' })
  assert.equal(region.read(2).toString(), 'as')
  if (hasViews) {
    const view = region.view(Uint8Array)
    view.fill(0x78)
    region.seek(0)
    assert.equal(region.read(2).toString(), 'xx')
  }
  region.close()
  assert.equal(text(path, 9), 'as it was')
})

check('region: close empties views, and every use after it throws', async () => {
  const region = pmem.map(file())
  const [buffer, view] = hasViews ? [region.buffer, region.view(Float64Array)] : [new ArrayBuffer(0), []]
  region.close()
  region.close()
  assert.equal(region.closed, true)
  assert.equal(view.length, 0)
  assert.equal(buffer.byteLength, 0)
  const uses = [
    () => region.byteLength,
    () => region.position,
    () => region.isPmem,
    () => region.buffer,
    () => region.view(Uint8Array),
    () => region.view(7),
    () => region.write('x'),
    () => region.read(),
    () => region.seek(0),
    () => region.persist(),
    () => region.flush(),
    () => region.drain(),
    () => region.msync(),
    () => region.persistMany([]),
    () => region.copyFrom('x'),
    () => region.fill(0),
    () => pmem.unmap(region),
  ]
  for (const use of uses) assert.throws(use, CLOSED, String(use))
  await assert.rejects(region.persistAsync(), CLOSED)
})

check('region: disposal persists and closes', () => {
  const path = file()
  const region = pmem.map(path)
  region.write('kept')
  region[Symbol.dispose]()
  region[Symbol.dispose]()
  assert.equal(region.closed, true)
  assert.equal(text(path, 4), 'kept')
  const other = pmem.map(path)
  assert.equal(new pmem.FlushContext(other).run((given) => given.write('lost?')), 5)
  assert.equal(other.closed, true)
})

check('region: errors are as in Node.js', () => {
  const missing = join(folder(), 'missing')
  assert.throws(() => pmem.map(missing), (error) => {
    assert.ok(error instanceof Error)
    const { code, errno, syscall, path } = error
    assert.deepEqual({ code, errno, syscall, path }, { code: 'ENOENT', errno: -2, syscall: 'open', path: missing })
    return true
  })
  assert.throws(() => pmem.map(folder()), { code: 'EISDIR' })
  assert.throws(() => pmem.map(file(0)), { code: 'EINVAL' })
  assert.throws(() => pmem.map({}), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(() => pmem.map(file(), -1), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => pmem.map(file(), 1.5), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => pmem.map(file(), 10, { memory: 'paper' }), { code: 'ERR_INVALID_ARG_VALUE' })
  assert.throws(() => pmem.persist({}), { code: 'ERR_INVALID_ARG_TYPE' })
})
