import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { pmem, pmemlog } from 'pmem'
import { rejects, throws } from './helpers/errors.js'
import { file, folder, mapped } from './helpers/files.js'

/** A value where the types allow none such. */
const any = (value: unknown) => value as never

const NOT_INTEGERS = ['1', true, null, {}, [], [1], Symbol('1'), () => 1, new Date(0), Object(1)].map(any)
const NOT_SAFE = [1.5, 4096.000001, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2 ** 53, -(2 ** 53), 1e300, 2n ** 53n, 2n ** 64n]
const NEGATIVE = [-1, -0.5, -4096, -1n, -(2n ** 63n)]

interface Argument {
  name: string
  /** A value that is accepted. */
  good: number
  /** Integers that are refused here although they are safe and not negative. */
  bad?: readonly number[]
  use: (value: number | bigint, region: pmem.Region, path: string) => unknown
}

/** What must also be refused wherever a region has 4096 bytes. */
const outside = [4097, 2 ** 32, 2 ** 53 - 1]

const MAPS: readonly Argument[] = [
  { name: 'byteLength', good: 100, bad: [0, ...outside], use: (value, _, path) => pmem.map(path, value).close() },
  { name: 'byteLength', good: 4096, bad: [0, ...outside], use: (value, _, path) => pmem.map(path, value, { readonly: true }).close() },
  { name: 'offset', good: 0, bad: [1, 100, 4095, 4097, 65_536, 2 ** 53 - 1], use: (value, _, path) => pmem.map(path, undefined, { offset: value }).close() },
  { name: 'offset', good: 0, bad: [1, 4097, 65_536], use: (value, _, path) => pmem.mapFile(path, { offset: value }).close() },
  { name: 'offset', good: 0, bad: [1, 4097], use: (value, _, path) => pmem.mapFile(path, { create: true, length: 4096, offset: value }).close() },
  { name: 'length', good: 4096, bad: [0, 1, 4095], use: (value, _, path) => pmem.mapFile(path, { create: true, length: value }).close() },
  { name: 'mode', good: 0o600, bad: [0o10000, 2 ** 32], use: (value, _, path) => pmem.mapFile(path, { create: true, length: 4096, mode: Number(value) }).close() },
]

const CALLS: readonly Argument[] = [
  { name: 'major', good: 1, bad: [2 ** 32], use: (value) => pmem.checkVersion(any(value), 0) },
  { name: 'minor', good: 0, bad: [2 ** 32], use: (value) => pmem.checkVersion(1, any(value)) },
  { name: 'byteLength', good: 10, use: (value, region) => region.read(value) },
  { name: 'position', good: 4096, bad: outside, use: (value, region) => region.seek(value) },
  { name: 'byteOffset', good: 4096, bad: outside, use: (value, region) => region.persist(value) },
  { name: 'byteLength', good: 4096, bad: outside, use: (value, region) => region.persist(0, value) },
  { name: 'byteOffset', good: 4096, bad: outside, use: (value, region) => region.flush(value) },
  { name: 'byteLength', good: 4096, bad: outside, use: (value, region) => region.flush(0, value) },
  { name: 'byteOffset', good: 4096, bad: outside, use: (value, region) => region.msync(value) },
  { name: 'byteLength', good: 4096, bad: outside, use: (value, region) => region.msync(0, value) },
  { name: 'byteOffset', good: 4096, bad: outside, use: (value, region) => pmem.persist(region, value) },
  { name: 'byteLength', good: 4096, bad: outside, use: (value, region) => pmem.persist(region, 0, value) },
  { name: 'byteOffset', good: 4096, bad: outside, use: (value, region) => pmem.flush(region, value) },
  { name: 'byteLength', good: 4096, bad: outside, use: (value, region) => pmem.flush(region, 0, value) },
  { name: 'byteOffset', good: 4096, bad: outside, use: (value, region) => pmem.msync(region, value) },
  { name: 'byteLength', good: 4096, bad: outside, use: (value, region) => pmem.msync(region, 0, value) },
  { name: 'byteOffset', good: 4096, bad: outside, use: (value, region) => region.persistMany([[0, 1], [value, 0]]) },
  { name: 'byteLength', good: 4096, bad: outside, use: (value, region) => region.persistMany([[0, 1], [0, value]]) },
  { name: 'byteOffset', good: 4095, bad: outside, use: (value, region) => region.copyFrom('x', value) },
  { name: 'value', good: 255, bad: [256, 2 ** 32], use: (value, region) => region.fill(any(value)) },
  { name: 'start', good: 4096, bad: outside, use: (value, region) => region.fill(1, value) },
  { name: 'end', good: 4096, bad: [0, ...outside], use: (value, region) => region.fill(1, 1, value) },
]

const VIEWS: readonly Argument[] = [
  { name: 'byteOffset', good: 4096, bad: outside, use: (value, region) => region.view(Uint8Array, value) },
  { name: 'length', good: 4096, bad: outside, use: (value, region) => region.view(Uint8Array, 0, value) },
  { name: 'length', good: 1024, bad: [1025, ...outside], use: (value, region) => region.view(Int32Array, 0, value) },
  { name: 'length', good: 4096, bad: outside, use: (value, region) => region.view(DataView, 0, value) },
]

/** Every integer argument takes numbers and bigints, and refuses with its own name what is no integer or out of range. */
function checkIntegers(t: ExecutionContext, table: readonly Argument[]): void {
  const { path, region } = mapped(t)
  for (const [index, { name, good, bad = [], use }] of table.entries()) {
    const which = (value: unknown) => `${index} ${use.toString()} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`
    for (const value of [good, BigInt(good)]) {
      region.seek(0)
      t.notThrows(() => use(value, region, path), which(value))
    }
    region.seek(0)
    for (const value of [...NEGATIVE, ...NOT_SAFE, ...bad, ...bad.map(BigInt)]) {
      throws(t, { code: 'ERR_OUT_OF_RANGE', says: `"${name}"` }, () => use(value, region, path), which(value))
    }
    if (name === 'mode') continue
    for (const value of NOT_INTEGERS) {
      throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: `"${name}"` }, () => use(value, region, path), which(value))
    }
  }
}

test('integers: map and mapFile', (t) => {
  checkIntegers(t, MAPS)
})

test('integers: regions and versions', (t) => {
  checkIntegers(t, CALLS)
})

test('integers: views', (t) => {
  checkIntegers(t, VIEWS)
})

test('integers: persistAsync', async (t) => {
  const { region } = mapped(t)
  await region.persistAsync(1n, 4095n)
  for (const value of [...NEGATIVE, ...NOT_SAFE, ...outside]) {
    await rejects(t, { code: 'ERR_OUT_OF_RANGE', says: '"byteOffset"' }, () => region.persistAsync(value))
    await rejects(t, { code: 'ERR_OUT_OF_RANGE', says: '"byteLength"' }, () => region.persistAsync(0, value))
  }
  for (const value of NOT_INTEGERS) {
    await rejects(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"byteOffset"' }, () => region.persistAsync(value))
    await rejects(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"byteLength"' }, () => region.persistAsync(0, value))
  }
})

test('a mode is an integer', (t) => {
  const path = file(t)
  for (const mode of ['666', true, {}, Symbol('m')]) {
    throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"mode"' }, () => pmem.mapFile(path, { create: true, length: 4096, mode: any(mode) }))
  }
})

test('a range within the region may not leave it', (t) => {
  const { region } = mapped(t)
  for (const [byteOffset, byteLength] of [[1, 4096], [4096, 1], [4095, 2], [4000, 2 ** 53 - 1]] as const) {
    throws(t, 'ERR_OUT_OF_RANGE', () => region.persist(byteOffset, byteLength))
    throws(t, 'ERR_OUT_OF_RANGE', () => region.flush(byteOffset, byteLength))
    throws(t, 'ERR_OUT_OF_RANGE', () => region.msync(byteOffset, byteLength))
    throws(t, 'ERR_OUT_OF_RANGE', () => region.persistMany([[byteOffset, byteLength]]))
  }
  throws(t, { code: 'ERR_OUT_OF_RANGE', says: '"end"' }, () => region.fill(0, 100, 99))
})

test('empty ranges are ranges', (t) => {
  const { region } = mapped(t)
  for (const byteOffset of [0, 1, 4096]) {
    t.notThrows(() => region.persist(byteOffset, 0))
    t.notThrows(() => region.flush(byteOffset, 0))
    t.notThrows(() => region.msync(byteOffset, 0))
    t.notThrows(() => region.fill(1, byteOffset, byteOffset))
    t.notThrows(() => region.copyFrom('', byteOffset))
  }
  t.notThrows(() => region.persistMany([]))
  t.deepEqual(region.read(), Buffer.alloc(4096))
})

test('booleans', (t) => {
  const { path, region } = mapped(t)
  const make = (options: object) => () => pmem.mapFile(path, { create: true, length: 4096, ...options })
  for (const value of [0, 1, 'true', {}, Symbol('b')]) {
    const refused = (name: string, act: () => unknown) => throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: `"${name}"` }, act)
    refused('readonly', () => pmem.map(path, 4096, { readonly: any(value) }))
    for (const name of ['create', 'exclusive', 'sparse', 'tmpfile', 'truncate', 'readonly']) refused(name, make({ [name]: value }))
    refused('durable', () => region.copyFrom('x', 0, { durable: any(value) }))
    refused('durable', () => region.fill(1, 0, 1, { durable: any(value) }))
    refused('unmap', () => new pmem.FlushContext(region, { unmap: any(value) }))
    refused('unmap', () => new pmem.DrainContext(region, { unmap: any(value) }))
  }
  t.deepEqual(region.read(), Buffer.alloc(4096))
})

test('options are objects', (t) => {
  const { path, region } = mapped(t)
  for (const value of [null, 1, 'readonly', true, Symbol('o')].map(any)) {
    const refused = (act: () => unknown) => throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"options"' }, act)
    refused(() => pmem.map(path, undefined, value))
    refused(() => pmem.mapFile(path, value))
    refused(() => region.copyFrom('x', 0, value))
    refused(() => region.fill(1, 0, 1, value))
    refused(() => new pmem.FlushContext(region, value))
    refused(() => new pmem.DrainContext(region, value))
  }
})

test('an option that is undefined counts as left out', (t) => {
  const path = file(t)
  const none = { offset: undefined, memory: undefined, readonly: undefined }
  const region = pmem.map(path, undefined, none as object)
  t.is(region.byteLength, 4096)
  region.close()
  const flags = { length: undefined, create: undefined, exclusive: undefined, sparse: undefined, tmpfile: undefined, truncate: undefined, mode: undefined }
  const again = pmem.mapFile(path, { ...none, ...flags } as object)
  t.is(again.byteLength, 4096)
  again.close()
})

test('memory is a kind that there is', (t) => {
  const path = file(t)
  for (const memory of ['shared', 'EXTERNAL', '']) {
    throws(t, { code: 'ERR_INVALID_ARG_VALUE', says: '"memory"' }, () => pmem.map(path, 4096, { memory: any(memory) }))
  }
  for (const memory of [1, null, {}]) {
    throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"memory"' }, () => pmem.map(path, 4096, { memory: any(memory) }))
  }
})

test('data is text or bytes', (t) => {
  const { region } = mapped(t)
  for (const value of [undefined, null, 1, 1n, true, {}, [1, 2], Symbol('d'), () => 'x', new Date(0), { byteLength: 4 }].map(any)) {
    throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"data"' }, () => region.write(value))
    throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"source"' }, () => region.copyFrom(value))
  }
  t.is(region.position, 0)
  t.deepEqual(region.read(), Buffer.alloc(4096))
})

test('paths', (t) => {
  const here = folder(t)
  for (const value of [undefined, null, true, 1n, {}, [], Symbol('p'), new Float64Array(1), new ArrayBuffer(4)].map(any)) {
    throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"file"' }, () => pmem.map(value))
    throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"path"' }, () => pmem.mapFile(value))
  }
  throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"path"' }, () => pmem.mapFile(any(1)))
  for (const value of ['', Buffer.alloc(0), `${here}/a\0b`, Buffer.from(`${here}/a\0b`)]) {
    throws(t, { code: 'ERR_INVALID_ARG_VALUE', says: '"file"' }, () => pmem.map(value))
    throws(t, { code: 'ERR_INVALID_ARG_VALUE', says: '"path"' }, () => pmem.mapFile(value, { create: true, length: 1 }))
  }
  t.throws(() => pmem.map(new URL('https://example.org/file')), { code: 'ERR_INVALID_URL_SCHEME' })
})

test('descriptors', (t) => {
  for (const value of [-1, 1.5, Number.NaN, 2 ** 31, 2 ** 53]) {
    throws(t, { code: 'ERR_OUT_OF_RANGE', says: '"file"' }, () => pmem.map(value))
  }
  for (const value of [undefined, null, '3', {}]) {
    throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"file.fd"' }, () => pmem.map({ fd: any(value) }))
  }
  for (const value of [-2, 1.5, Number.NaN, 2 ** 31]) {
    throws(t, { code: 'ERR_OUT_OF_RANGE', says: '"file.fd"' }, () => pmem.map({ fd: value }))
  }
})

test('regions', (t) => {
  const { region } = mapped(t)
  const likeRegion = { byteLength: 4096, closed: false, isPmem: true, persist() {}, drain() {}, flush() {}, msync() {}, close() {} }
  for (const value of [null, 1, 'region', {}, likeRegion, Buffer.alloc(1), pmem.Region].map(any)) {
    for (const use of [pmem.persist, pmem.flush, pmem.msync, pmem.drain, pmem.unmap, pmem.isPmem]) {
      throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"region"' }, () => use(value), use.name)
    }
    throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"region"' }, () => new pmem.FlushContext(value))
    throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"region"' }, () => new pmem.DrainContext(value))
  }
  for (const use of [pmem.persist, pmem.flush, pmem.msync, pmem.unmap, pmem.isPmem]) {
    throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"region"' }, () => use(any(undefined)), use.name)
  }
  const impostor = Object.create(pmem.Region.prototype) as pmem.Region
  t.throws(() => impostor.persist(), { instanceOf: TypeError })
  t.throws(() => pmem.Region.prototype.write.call(any({}), 'x'), { instanceOf: TypeError })
  t.throws(() => new (pmem.Region as unknown as new () => pmem.Region)(), { instanceOf: TypeError })
  t.false(region.closed)
})

test('ranges of persistMany', (t) => {
  const { region } = mapped(t)
  for (const value of [undefined, null, 1, {}, Symbol('r')].map(any)) {
    throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"ranges"' }, () => region.persistMany(value))
  }
  for (const value of [[1], ['01'], [{ 0: 0, 1: 1 }], [null], [undefined], 'text', new Uint8Array(2)].map(any)) {
    throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"ranges"' }, () => region.persistMany(value))
  }
  throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"byteOffset"' }, () => region.persistMany(any([[]])))
})

test('types of views', (t) => {
  const { region } = mapped(t)
  for (const value of [undefined, null, 1, 'Int32Array', {}, new Uint8Array(1), () => {}, Map, String, ArrayBuffer, pmem.Region].map(any)) {
    throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"type"' }, () => region.view(value), String(value))
  }
  throws(t, { code: 'ERR_OUT_OF_RANGE', says: '"byteOffset"' }, () => region.view(Int32Array, 2))
  throws(t, { code: 'ERR_OUT_OF_RANGE', says: '"byteOffset"' }, () => region.view(Float64Array, 4))
  throws(t, { code: 'ERR_OUT_OF_RANGE', says: '"length"' }, () => region.view(Int32Array, 4, 1024))
})

test('a body is a function', (t) => {
  const { region } = mapped(t)
  for (const value of [undefined, null, 1, {}, 'body'].map(any)) {
    throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"body"' }, () => new pmem.FlushContext(region).run(value))
    throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"body"' }, () => new pmem.DrainContext(region).run(value))
  }
  t.false(region.closed)
})

test('versions', (t) => {
  t.true(pmem.checkVersion(1, 0))
  t.true(pmem.checkVersion(1, 1))
  for (const [major, minor] of [[0, 0], [2, 0], [1, 2], [1, 2 ** 32 - 1], [2 ** 32 - 1, 0]] as const) {
    throws(t, { code: 'ERR_PMEM_VERSION', says: `${major}.${minor}` }, () => pmem.checkVersion(major, minor))
  }
})

test('data whose memory is gone is refused by a log too', async (t) => {
  using log = pmemlog.create(join(folder(t), 'log'))
  for (const view of [Buffer.from(new ArrayBuffer(16)), new DataView(new ArrayBuffer(16)), new Float64Array(2)]) {
    structuredClone(view.buffer, { transfer: [view.buffer] })
    for (const data of [view, view.buffer]) {
      const gone = (name: string) => ({ code: 'ERR_INVALID_ARG_VALUE', says: `"${name}" is not valid here: its memory` })
      throws(t, gone('data'), () => log.append(data))
      throws(t, gone('parts[1]'), () => log.appendv(['part', data]))
      throws(t, gone('records[1]'), () => log.appendMany(['part', data]))
      await rejects(t, gone('data'), () => log.appendAsync(data))
    }
  }
  t.is(log.tell(), 0)
})
