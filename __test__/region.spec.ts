import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runInNewContext } from 'node:vm'
import test, { type ExecutionContext } from 'ava'
import { pmem } from 'pmem'
import { rejects, throws } from './helpers/errors.js'
import { file, mapped, text } from './helpers/files.js'
import { root } from './helpers/programs.js'

const TYPED_ARRAYS = [
  Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
  Float32Array, Float64Array, BigInt64Array, BigUint64Array,
]

const bytes = Uint8Array.from({ length: 16 }, (_, index) => index + 1)

/** The same sixteen bytes, in every kind that a region takes. */
const KINDS: readonly (readonly [kind: string, data: pmem.Data])[] = [
  ['text', Buffer.from(bytes).toString()],
  ['Buffer', Buffer.from(bytes)],
  ['part of a Buffer', Buffer.concat([Buffer.alloc(3), bytes, Buffer.alloc(5)]).subarray(3, 19)],
  ...TYPED_ARRAYS.map((type) => [type.name, new type(bytes.buffer)] as const),
  ...TYPED_ARRAYS.map((type) => [`part of a ${type.name}`, part(type)] as const),
  ['DataView', new DataView(bytes.buffer)],
  ['part of a DataView', new DataView(padded(3), 3, 16)],
  ['ArrayBuffer', bytes.slice().buffer],
  ['SharedArrayBuffer', shared()],
  ['view of a SharedArrayBuffer', new Int32Array(shared())],
  ['view of another realm', runInNewContext('Uint8Array.from({ length: 16 }, (_, i) => i + 1)') as Uint8Array],
  ['ArrayBuffer of another realm', runInNewContext('Uint8Array.from({ length: 16 }, (_, i) => i + 1).buffer') as ArrayBuffer],
]

function padded(start: number): ArrayBuffer {
  const target = new Uint8Array(start + bytes.length + 8).fill(0xee)
  target.set(bytes, start)
  return target.buffer
}

function part(type: (typeof TYPED_ARRAYS)[number]): NodeJS.TypedArray {
  return new type(padded(8), 8, bytes.length / type.BYTES_PER_ELEMENT)
}

function shared(): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(bytes.length)
  new Uint8Array(buffer).set(bytes)
  return buffer
}

test('write takes every kind of data', (t) => {
  const { path, region } = mapped(t)
  for (const [kind, data] of KINDS) {
    region.fill(0)
    region.seek(100)
    t.is(region.write(data), 16, kind)
    t.is(region.position, 116, kind)
    t.deepEqual(readFileSync(path).subarray(99, 117), Buffer.from([0, ...bytes, 0]), kind)
  }
})

test('copyFrom takes every kind of data', (t) => {
  const { path, region } = mapped(t)
  for (const [kind, data] of KINDS) {
    for (const options of [undefined, { durable: true }, { durable: false }]) {
      region.fill(0)
      region.copyFrom(data, 100, options)
      t.deepEqual(readFileSync(path).subarray(99, 117), Buffer.from([0, ...bytes, 0]), kind)
    }
  }
  t.is(region.position, 0)
})

test('text is UTF-8', (t) => {
  const { region } = mapped(t)
  const written = 'aé€😀'
  t.is(region.write(written), 10)
  t.is(region.position, 10)
  region.seek(0)
  t.is(region.read(10).toString(), written)
  region.copyFrom('€', 1)
  region.seek(1)
  t.deepEqual(region.read(3), Buffer.from([0xe2, 0x82, 0xac]))
  region.seek(0)
  t.is(region.write('\ud800'), 3)
})

test('nothing is written by empty data', (t) => {
  const { region } = mapped(t)
  for (const position of [0, 10, 4096]) {
    region.seek(position)
    for (const data of ['', new Uint8Array(0), new ArrayBuffer(0), new DataView(new ArrayBuffer(0))]) {
      t.is(region.write(data), 0)
      t.is(region.position, position)
    }
  }
  region.seek(0)
  t.deepEqual(region.read(), Buffer.alloc(4096))
})

test('a write that does not fit changes nothing', (t) => {
  const { path, region } = mapped(t, 'as it was')
  for (const position of [0, 1, 8, 9]) {
    region.seek(position)
    throws(t, { code: 'ERR_OUT_OF_RANGE', says: `<= ${9 - position}` }, () => region.write('x'.repeat(10 - position)))
    throws(t, 'ERR_OUT_OF_RANGE', () => region.write(Buffer.alloc(10 - position)))
    throws(t, 'ERR_OUT_OF_RANGE', () => region.write(new SharedArrayBuffer(5000)))
    t.is(region.position, position)
  }
  t.is(readFileSync(path, 'utf8'), 'as it was')
})

test('a write up to the very end', (t) => {
  const { path, region } = mapped(t, 10)
  region.seek(3)
  t.is(region.write('to the'), 6)
  t.is(region.write('.'), 1)
  t.is(region.position, 10)
  t.is(text(path, 10, 3), 'to the.')
})

test('read gives at most the rest', (t) => {
  const { region } = mapped(t, '0123456789')
  t.is(region.read(4).toString(), '0123')
  t.is(region.position, 4)
  t.is(region.read(100).toString(), '456789')
  region.seek(9)
  t.is(region.read(1n).toString(), '9')
  region.seek(0)
  t.is(region.read().toString(), '0123456789')
  region.seek(2)
  t.is(region.read(0).length, 0)
  t.is(region.position, 2)
  t.is(region.read(2 ** 53 - 1).toString(), '23456789')
})

test('read at the end', (t) => {
  const { region } = mapped(t, 10)
  region.seek(10)
  for (const length of [undefined, 0, 1, 100]) {
    throws(t, { code: 'ERR_PMEM_EOF', says: '10' }, () => region.read(length))
    t.is(region.position, 10)
  }
  region.seek(9)
  t.is(region.read().length, 1)
})

test('read gives a copy', (t) => {
  const { path, region } = mapped(t, 'as it was')
  const copy = region.read()
  copy.fill('x')
  t.is(readFileSync(path, 'utf8'), 'as it was')
  region.seek(0)
  region.write('now')
  t.is(copy.toString(), 'xxxxxxxxx')
})

test('seek moves within the region alone', (t) => {
  const { region } = mapped(t, 100)
  region.seek(100)
  t.is(region.position, 100)
  region.seek(50n)
  t.is(region.position, 50)
  for (const position of [101, -1, 1.5]) throws(t, { code: 'ERR_OUT_OF_RANGE', says: '"position"' }, () => region.seek(position))
  t.is(region.position, 50)
})

test('properties', (t) => {
  const { region } = mapped(t, 1000)
  t.is(region.byteLength, 1000)
  t.is(region.position, 0)
  t.false(region.closed)
  t.is(typeof region.isPmem, 'boolean')
  for (const name of ['byteLength', 'position', 'closed', 'isPmem', 'buffer']) {
    t.throws(() => Object.assign(region, { [name]: 1 }), { instanceOf: TypeError }, name)
  }
})

test('buffer is the memory itself', (t) => {
  const { path, region } = mapped(t, 2 ** 16)
  const { buffer } = region
  t.true(buffer instanceof ArrayBuffer)
  t.is(buffer.byteLength, 2 ** 16)
  t.is(region.buffer, buffer)
  new Uint8Array(buffer).set(Buffer.from('stored'), 9994)
  t.is(text(path, 10_000, 9994), 'stored')
  region.write('written')
  t.is(Buffer.from(buffer, 0, 7).toString(), 'written')
})

for (const type of TYPED_ARRAYS) {
  test(`a view: ${type.name}`, (t) => {
    const { path, region } = mapped(t, 4095)
    const unit = type.BYTES_PER_ELEMENT
    const whole = region.view<NodeJS.TypedArray>(type)
    t.is(whole.constructor, type)
    t.is(whole.length, Math.floor(4095 / unit))
    t.is(whole.byteOffset, 0)
    t.is(whole.buffer as ArrayBuffer, region.view(DataView).buffer)
    const some = region.view<NodeJS.TypedArray>(type, 16n, 2n)
    t.is(some.length, 2)
    t.is(some.byteOffset, 16)
    const values = new type(bytes.buffer, 0, 2)
    some.set(values as never)
    t.deepEqual(readFileSync(path).subarray(16, 16 + 2 * unit), Buffer.from(bytes.buffer, 0, 2 * unit))
    t.deepEqual(whole[16 / unit], values[0])
    t.is(region.view<NodeJS.TypedArray>(type, 0, 0).length, 0)
    const last = 4095 - (4095 % unit)
    t.is(region.view<NodeJS.TypedArray>(type, last).length, 4095 % unit === 0 ? 0 : Math.floor((4095 - last) / unit))
    throws(t, 'ERR_OUT_OF_RANGE', () => region.view<NodeJS.TypedArray>(type, 0, whole.length + 1))
    if (unit > 1) throws(t, { code: 'ERR_OUT_OF_RANGE', says: `${unit}` }, () => region.view<NodeJS.TypedArray>(type, 1))
  })
}

test('a view: DataView', (t) => {
  const { path, region } = mapped(t, 4095)
  const whole = region.view(DataView)
  t.is(whole.byteLength, 4095)
  const some = region.view(DataView, 3, 9)
  t.is(some.byteLength, 9)
  some.setFloat64(1, Math.PI)
  t.is(readFileSync(path).readDoubleBE(4), Math.PI)
  t.is(whole.getFloat64(4), Math.PI)
  throws(t, 'ERR_OUT_OF_RANGE', () => region.view(DataView, 4000, 96))
})

test('a view: a class of its own', (t) => {
  class Counters extends Int32Array {
    increment(index: number): void {
      this[index] = (this[index] ?? 0) + 1
    }
  }
  class Header extends DataView<ArrayBuffer> {}
  const { path, region } = mapped(t)
  const counters = region.view(Counters, 4, 2)
  t.true(counters instanceof Counters)
  counters.increment(1)
  t.is(readFileSync(path).readInt32LE(8), 1)
  t.true(region.view(Header) instanceof Header)
})

test('Atomics work on a view', (t) => {
  const { path, region } = mapped(t)
  const view = region.view(BigInt64Array)
  t.is(Atomics.add(view, 511, 5n), 0n)
  t.is(Atomics.compareExchange(view, 511, 5n, -1n), 5n)
  t.is(readFileSync(path).readBigInt64LE(4088), -1n)
})

test('views share memory with the cursor, copyFrom and fill', (t) => {
  const { region } = mapped(t)
  const view = region.view(Uint8Array)
  region.write('abc')
  region.copyFrom('def', 3)
  region.fill(0x67, 6, 7)
  t.is(Buffer.from(view.subarray(0, 8)).toString(), 'abcdefg\0')
  view[0] = 0x41
  region.seek(0)
  t.is(region.read(7).toString(), 'Abcdefg')
})

test('copyFrom takes its source from the same region, also where they overlap', (t) => {
  const { path, region } = mapped(t)
  const view = region.view(Uint8Array)
  const original = Buffer.from(Uint8Array.from({ length: 4096 }, (_, index) => (index * 7) % 251))
  for (const [from, to, length] of [[0, 1, 4095], [1, 0, 4095], [0, 64, 2000], [64, 0, 2000], [100, 100, 1000], [0, 2048, 2048], [3000, 0, 1]] as const) {
    for (const durable of [true, false]) {
      region.copyFrom(original)
      region.copyFrom(view.subarray(from, from + length), to, { durable })
      const expected = Buffer.from(original)
      original.copy(expected, to, from, from + length)
      t.deepEqual(readFileSync(path), expected, `${from} to ${to}`)
    }
  }
})

test('write takes its source from the same region', (t) => {
  const { path, region } = mapped(t, 'abcdefghij')
  region.seek(2)
  t.is(region.write(region.view(Uint8Array, 0, 8)), 8)
  t.is(readFileSync(path, 'utf8'), 'ababcdefgh')
})

test('copyFrom and fill at every alignment', (t) => {
  const { path, region } = mapped(t, 600)
  const source = Buffer.alloc(600, 'source of bytes')
  for (const start of [0, 1, 7, 8, 63, 64, 65, 300]) {
    for (const length of [0, 1, 8, 63, 64, 65, 256, 300]) {
      const expected = Buffer.alloc(600)
      region.fill(0)
      source.copy(expected, start, 0, length)
      region.copyFrom(source.subarray(0, length), start)
      t.deepEqual(readFileSync(path), expected)
      region.fill(0xab, start, start + length, { durable: false })
      t.deepEqual(readFileSync(path), expected.fill(0xab, start, start + length))
    }
  }
})

test('copyFrom of more than a megabyte', (t) => {
  const length = 3_000_001
  const { path, region } = mapped(t, length)
  const source = Buffer.alloc(length, 'something long')
  region.copyFrom(source)
  t.true(readFileSync(path).equals(source))
  region.fill(7)
  t.true(readFileSync(path).equals(source.fill(7)))
})

test('copyFrom past the end changes nothing', (t) => {
  const { path, region } = mapped(t, 'as it was')
  throws(t, 'ERR_OUT_OF_RANGE', () => region.copyFrom('0123456789'))
  throws(t, 'ERR_OUT_OF_RANGE', () => region.copyFrom('01', 8))
  throws(t, 'ERR_OUT_OF_RANGE', () => region.copyFrom('0', 9, { durable: false }))
  t.is(readFileSync(path, 'utf8'), 'as it was')
})

test('fill of the whole, to the end, and of a part', (t) => {
  const { path, region } = mapped(t, 10)
  region.fill(0x61)
  region.fill(0x62, 5)
  region.fill(0x63, 2n, 4n)
  t.is(readFileSync(path, 'utf8'), 'aaccabbbbb')
  t.is(region.position, 0)
})

type Durable = (region: pmem.Region, byteOffset?: number, byteLength?: number) => unknown

const DURABLE: readonly (readonly [name: string, act: Durable])[] = [
  ['persist', (region, ...range) => region.persist(...range)],
  ['flush', (region, ...range) => region.flush(...range)],
  ['msync', (region, ...range) => region.msync(...range)],
  ['persistAsync', (region, ...range) => region.persistAsync(...range)],
  ['pmem.persist', (region, ...range) => pmem.persist(region, ...range)],
  ['pmem.flush', (region, ...range) => pmem.flush(region, ...range)],
  ['pmem.msync', (region, ...range) => pmem.msync(region, ...range)],
  ['persistMany', (region, byteOffset = 0, byteLength = region.byteLength - byteOffset) => region.persistMany([[byteOffset, byteLength]])],
]

for (const [name, act] of DURABLE) {
  test(`${name}: the whole, the rest, and ranges of any alignment`, async (t) => {
    const { path, region } = mapped(t, 10_000)
    region.fill(1, 0, 10_000, { durable: false })
    for (const range of [[], [0], [5000], [9999], [10_000], [1, 1], [4095, 2], [1, 9999], [64, 64], [4096, 4096]]) {
      t.is(await act(region, ...range), undefined)
    }
    t.deepEqual(readFileSync(path), Buffer.alloc(10_000, 1))
  })
}

test('drain, of one region and of all', (t) => {
  const { region } = mapped(t)
  region.flush()
  t.is(region.drain(), undefined)
  t.is(pmem.drain(region), undefined)
  t.is(pmem.drain(), undefined)
})

test('persistMany takes any iterable of pairs', (t) => {
  const { path, region } = mapped(t, 10_000)
  region.fill(1, 0, 10_000, { durable: false })
  const ranges = [[9000, 1000], [0, 1], [0, 1], [4095, 2], [10_000, 0]] as const
  region.persistMany(ranges)
  region.persistMany(new Set(ranges))
  region.persistMany(new Map([[0, 10], [20, 30]]))
  region.persistMany([[0n, 10n]])
  region.persistMany(Array.from({ length: 1000 }, (_, index) => [index * 10, 10]))
  t.deepEqual(readFileSync(path), Buffer.alloc(10_000, 1))
})

test('persistMany refuses all where one range is wrong', (t) => {
  const { region } = mapped(t)
  let asked = 0
  function* ranges(): Generator<[number, number]> {
    asked += 1
    yield [0, 10]
    asked += 1
    yield [4000, 97]
    asked += 1
  }
  throws(t, 'ERR_OUT_OF_RANGE', () => region.persistMany(ranges()))
  t.is(asked, 2)
  const failure = new Error('no more ranges')
  const failing = { [Symbol.iterator]: () => { throw failure } }
  t.is(t.throws(() => region.persistMany(failing)), failure)
})

test('persistAsync: many at once', async (t) => {
  const { path, region } = mapped(t, 100_000)
  const pending = Array.from({ length: 100 }, (_, index) => {
    region.copyFrom(`${index}`, index * 1000, { durable: false })
    return region.persistAsync(index * 1000, 1000)
  })
  t.deepEqual(await Promise.all(pending), pending.map(() => undefined))
  t.is(text(path, 99_002, 99_000), '99')
})

test('persistAsync: rejections leave the region usable', async (t) => {
  const { region } = mapped(t)
  await rejects(t, 'ERR_OUT_OF_RANGE', () => region.persistAsync(0, 4097))
  await rejects(t, 'ERR_OUT_OF_RANGE', () => region.persistAsync(4097))
  await region.persistAsync()
  t.is(region.write('usable'), 6)
})

test('a region forged over a handle cannot leave the mapping', (t) => {
  const { region } = mapped(t, 'as it was')
  // Where only this package's own code could make it.
  const { newRegion } = require(join(root, 'dist/ts/region/region.js')) as { newRegion(info: object, kind: string): pmem.Region }
  for (const handle of [-1, 0.5, 1, 2 ** 24, 2 ** 24 + 1, 2 ** 52, Number.NaN, Number.POSITIVE_INFINITY]) {
    const forged = newRegion({ handle, byteLength: 2 ** 40, isPmem: true, readonly: false }, 'none')
    forged.seek(2 ** 39)
    t.throws(() => forged.write('out of bounds'))
    t.throws(() => forged.persist())
    t.throws(() => forged.read(1))
    t.throws(() => forged.fill(0))
  }
  t.is(region.read().toString(), 'as it was')
})

test('data over a detached buffer is refused', (t) => {
  const { region } = mapped(t)
  const source = new Uint8Array(16)
  structuredClone(source.buffer, { transfer: [source.buffer] })
  refuses(t, region, source)
  refuses(t, region, source.buffer)
  const words = new DataView(new ArrayBuffer(16), 8)
  structuredClone(words.buffer, { transfer: [words.buffer] })
  refuses(t, region, words)
  t.deepEqual(region.read(), Buffer.alloc(4096))
})

test('data over a closed region is refused', (t) => {
  const { region } = mapped(t)
  const source = pmem.map(file(t))
  const view = source.view(Uint8Array)
  source.close()
  refuses(t, region, view)
})

function refuses(t: ExecutionContext, region: pmem.Region, data: pmem.Data): void {
  const expected = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_VALUE', message: /transferred away/ }
  t.throws(() => region.write(data), expected)
  t.throws(() => region.copyFrom(data), expected)
}
