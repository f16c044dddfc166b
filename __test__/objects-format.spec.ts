/** A second reader of stores, which knows what `docs/heap-format.md` and `docs/objects-format.md` say, and nothing else. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { objects } from 'pmem'
import { folder } from './helpers/files.js'

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1
  return value >>> 0
})

/** The CRC-32C of pieces, one behind the other. */
function crc(...pieces: Buffer[]): number {
  let value = 0xffffffff
  for (const piece of pieces) for (const byte of piece) value = TABLE[(value ^ byte) & 0xff]! ^ (value >>> 8)
  return (value ^ 0xffffffff) >>> 0
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return bytes
}

function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`damage: ${what}`)
}

/** The entries of a heap that was closed, so that its log has nothing that its tree has not. */
class Heap {
  readonly entries: [key: Buffer, value: Buffer][] = []
  readonly salt: bigint
  readonly #file: Buffer
  readonly #size: number

  constructor(path: string) {
    this.#file = readFileSync(path)
    const header = this.#file.subarray(0, 4096)
    check(header.toString('latin1', 0, 8) === 'PMEMHEAP' && header.readUInt32LE(8) === 1, 'the magic')
    check(crc(header.subarray(0, 4092)) === header.readUInt32LE(4092), 'the header')
    check(header.readBigUInt64LE(24) === 0n && header.readUInt32LE(104) === 1 && header.readUInt32LE(108) === 0, 'a feature')
    this.salt = header.readBigUInt64LE(56)
    this.#size = Number(header.readBigUInt64LE(72))
    const slots = [4096, 8192, 12288, 16384].map((at) => this.#file.subarray(at, at + 4096)).filter((slot) => this.#isSlot(slot))
    const [slot] = slots.toSorted((one, other) => Number(other.readBigUInt64LE(16) - one.readBigUInt64LE(16)))
    check(slot !== undefined, 'the slots')
    const root = slot.readBigUInt64LE(48)
    if (root !== 0n) this.#node(root)
    check(this.entries.length === Number(slot.readBigUInt64LE(80)), 'the count of entries')
  }

  #isSlot(slot: Buffer): boolean {
    return slot.toString('latin1', 0, 8) === 'HEAPSLOT' && slot.readBigUInt64LE(8) === this.salt && crc(slot.subarray(0, 4092)) === slot.readUInt32LE(4092)
  }

  /** So many blocks in a row without their trailer. */
  #blocks(reference: bigint, count: number): Buffer {
    const block = reference & ((1n << 39n) - 1n)
    const at = Number(block) * this.#size
    const bytes = this.#file.subarray(at, at + count * this.#size)
    const end = bytes.length - 16
    const checksum = bytes.readUInt32LE(end)
    check(checksum === crc(u64(this.salt), u64(block), bytes.subarray(0, end), bytes.subarray(end + 4)), `the block ${block}`)
    check(BigInt(checksum & 0xffffff) === reference >> 39n, `the reference to the block ${block}`)
    return bytes.subarray(0, end)
  }

  /** What lies at a place. */
  #run(place: Buffer): Buffer {
    return this.#piece(place.readBigUInt64LE(0), Number(place.readBigUInt64LE(8)))
  }

  #piece(reference: bigint, length: number): Buffer {
    const most = 64 * this.#size - 16
    if (length <= most) return this.#blocks(reference, Math.ceil((length + 16) / this.#size)).subarray(0, length)
    const count = Math.ceil(length / most)
    const references = this.#piece(reference, 8 * count)
    return Buffer.concat(Array.from({ length: count }, (_, index) => this.#piece(references.readBigUInt64LE(8 * index), Math.min(most, length - index * most))))
  }

  #node(reference: bigint, level?: number): void {
    const node = this.#blocks(reference, 1)
    check(node[0] === 0x4e && (level === undefined || node[1] === level), 'a node')
    const [cells, prefix] = [node.readUInt16LE(2), node.readUInt16LE(4)]
    for (let slot = 16 + prefix; slot < 16 + prefix + 8 * cells; slot += 8) {
      const length = node.readUInt16LE(slot + 6)
      const start = node.readUInt16LE(slot + 4)
      let at = start + (length & 0x7fff)
      const parts = [node.subarray(16, 16 + prefix), node.subarray(start, at)]
      if (length & 0x8000) parts.push(this.#run(node.subarray(at, (at += 16))))
      if (node[1]! > 0) this.#node(node.readBigUInt64LE(at), node[1]! - 1)
      else this.entries.push([Buffer.concat(parts), this.#value(node, at)])
    }
  }

  #value(node: Buffer, at: number): Buffer {
    const length = node.readUInt16LE(at)
    return length & 0x8000 ? this.#run(node.subarray(at + 2)) : node.subarray(at + 2, at + 2 + length)
  }
}

class Reference {
  constructor(
    readonly kind: number,
    readonly id: number,
  ) {}
}

const BYTES = [ArrayBuffer, DataView, Uint8Array, Int8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array]

/** The number that bytes of any order are. */
function magnitude(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex') || '0'}`)
}

/** The values that stand one behind the other. */
function valuesOf(bytes: Buffer): unknown[] {
  const values: unknown[] = []
  let at = 0
  const take = (length: number) => bytes.subarray(at, (at += length))
  const rest = () => take(take(4).readUInt32LE())
  while (at < bytes.length) values.push(value())
  check(at === bytes.length, 'a value that is cut')
  return values

  function value(): unknown {
    const tag = take(1)[0]!
    switch (tag) {
      case 0x00:
        return undefined
      case 0x01:
        return null
      case 0x02:
      case 0x03:
        return tag === 3
      case 0x04:
        return take(4).readInt32LE()
      case 0x05:
        return take(8).readDoubleLE()
      case 0x06:
        return new Date(take(8).readDoubleLE())
      case 0x07:
        return new Reference(take(1)[0]!, take(7).readUIntLE(0, 6))
      case 0x08: {
        const [sign, ...digits] = rest()
        return magnitude(Buffer.from(digits.toReversed())) * (sign ? -1n : 1n)
      }
      case 0x09: {
        const [type, ...content] = rest()
        const { buffer } = Uint8Array.from(content)
        return type === 0 ? buffer : new (BYTES[type!] as typeof Uint8Array)(buffer)
      }
      case 0x10:
        return take(take(1)[0]!).toString('latin1')
      case 0x11:
        return rest().toString('latin1')
      case 0x12:
        return rest().toString('utf16le')
      default:
        check(false, `the tag ${tag}`)
    }
  }
}

/** What a sorted key is, and how long it was. */
function sortedKey(bytes: Buffer): unknown {
  let at = 0
  const take = (length: number) => Buffer.from(bytes.subarray(at, (at += length)))
  const turned = (buffer: Buffer, is: boolean) => (is ? buffer.map((byte) => byte ^ 255) : buffer) as Buffer
  const key = part()
  check(at === bytes.length, 'a sorted key')
  return key

  function part(): unknown {
    const first = take(1)[0]!
    if (first === 0x40) {
      const parts: unknown[] = []
      while (bytes[at] !== 0) parts.push(part())
      at += 1
      return parts
    }
    if (first === 0x10) {
      const number = take(8)
      if (number[0]! >= 128) number[0]! -= 128
      else number.forEach((byte, index) => (number[index] = byte ^ 255))
      return number.readDoubleBE()
    }
    if (first === 0x20) {
      const isNegative = take(1)[0] === 0
      const length = turned(take(4), isNegative).readUInt32BE()
      return magnitude(turned(take(length), isNegative)) * (isNegative ? -1n : 1n)
    }
    check(first === 0x30, 'a part of a sorted key')
    let text = ''
    for (let byte = take(1)[0]!; byte !== 0; byte = take(1)[0]!) {
      let unit = byte
      if (byte === 1) unit = take(1)[0]! - 1
      else if (byte >= 0xe0) unit = ((byte & 15) << 12) | ((take(1)[0]! & 63) << 6) | (take(1)[0]! & 63)
      else if (byte >= 0xc0) unit = ((byte & 31) << 6) | (take(1)[0]! & 63)
      text += String.fromCharCode(unit)
    }
    return text
  }
}

const MASK = (1n << 64n) - 1n

/** SipHash-1-3. */
function hash(salt: bigint, bytes: Buffer): bigint {
  const keys = [salt, ~salt & MASK] as const
  let [v0, v1, v2, v3] = [keys[0] ^ 0x736f6d6570736575n, keys[1] ^ 0x646f72616e646f6dn, keys[0] ^ 0x6c7967656e657261n, keys[1] ^ 0x7465646279746573n]
  const turn = (value: bigint, by: bigint) => ((value << by) | (value >> (64n - by))) & MASK
  const round = () => {
    v0 = (v0 + v1) & MASK
    v1 = turn(v1, 13n) ^ v0
    v0 = turn(v0, 32n)
    v2 = (v2 + v3) & MASK
    v3 = turn(v3, 16n) ^ v2
    v0 = (v0 + v3) & MASK
    v3 = turn(v3, 21n) ^ v0
    v2 = (v2 + v1) & MASK
    v1 = turn(v1, 17n) ^ v2
    v2 = turn(v2, 32n)
  }
  const padded = Buffer.alloc((bytes.length & ~7) + 8)
  bytes.copy(padded)
  padded[padded.length - 1] = bytes.length
  for (let at = 0; at < padded.length; at += 8) {
    const word = padded.readBigUInt64LE(at)
    v3 ^= word
    round()
    v0 ^= word
  }
  v2 ^= 0xffn
  for (let count = 0; count < 3; count += 1) round()
  return v0 ^ v1 ^ v2 ^ v3
}

interface Found {
  header: Buffer
  /** By what of the container they are: what follows that in the key, and the value. */
  entries: Map<number, [Buffer, Buffer][]>
}

/** What is in a store: plain copies of all that is reached from its root. */
class Reader {
  readonly version: number
  readonly root: unknown
  readonly #salt: bigint
  readonly #containers = new Map<number, Found>()
  readonly #own = new Map<string, Buffer>()
  readonly #copies = new Map<number, object>()
  readonly #refs = new Map<number, number>()

  constructor(path: string) {
    const heap = new Heap(path)
    this.#salt = heap.salt
    for (const [key, value] of heap.entries) this.#take(key, value)
    check(this.#own.get('16')?.readUInt32LE() === 1, 'the version of the format')
    this.version = this.#own.get('12')?.readUInt32LE() ?? 0
    this.root = this.#plain(valuesOf(this.#own.get('10') ?? Buffer.of(1))[0])
    for (const [id, count] of this.#refs) check(this.#containers.get(id)?.header.readUInt32LE(4) === count, `the references to ${id}`)
    check([...this.#containers.keys()].every((id) => id < Number(this.#own.get('11')!.readBigUInt64LE())), 'the next id')
  }

  #take(key: Buffer, value: Buffer): void {
    check(key[0] === 0, 'an id')
    const [id, what, rest] = [key.readUIntBE(1, 6), key[7]!, key.subarray(8)]
    if (id === 0) {
      this.#own.set(key.subarray(7).toString('hex'), value)
      return
    }
    if (what === 0) return void this.#containers.set(id, { header: value, entries: new Map() })
    const { entries } = this.#containers.get(id)!
    entries.set(what, [...(entries.get(what) ?? []), [rest, value]])
  }

  #plain(value: unknown): unknown {
    if (!(value instanceof Reference)) return value
    const { kind, id } = value
    this.#refs.set(id, (this.#refs.get(id) ?? 0) + 1)
    const known = this.#copies.get(id)
    if (known) return known
    const found = this.#containers.get(id)
    check(found?.header[0] === kind && found.header.readUInt16LE(2) === 0, `the container ${id}`)
    check(found.header[1] === 0 || found.header[1] === 2, `the flags of ${id}`)
    const copy = [new Map(), new Set(), new Map(), [], {}, {}][kind - 1]!
    this.#copies.set(id, copy)
    if (kind >= 5 && found.header[1] === 0) this.#record(found.header.subarray(8), copy as Record<string, unknown>)
    else this.#fill(found, copy, kind)
    return copy
  }

  #shape(number: number): { type: unknown; names: string[] } {
    const key = Buffer.from([0x13, 0, 0, 0, 0])
    key.writeUInt32BE(number, 1)
    const bytes = this.#own.get(key.toString('hex'))
    check(bytes !== undefined, `the shape ${number}`)
    const by = Buffer.alloc(9, 0x14)
    by.writeBigUInt64BE(hash(this.#salt, bytes), 1)
    check(this.#own.get(by.toString('hex'))?.includes(u64(BigInt(number)).subarray(0, 4)) === true, `the hash of the shape ${number}`)
    const [type, ...names] = valuesOf(bytes)
    return { type, names: names as string[] }
  }

  #record(record: Buffer, copy: Record<string, unknown>): void {
    const { type, names } = this.#shape(record.readUInt32LE())
    const values = valuesOf(record.subarray(4))
    check(values.length === names.length && record.length <= 1000, 'a record')
    names.forEach((name, index) => (copy[name] = this.#plain(values[index])))
    if (type !== undefined) copy['class'] = type
  }

  #fill({ header, entries }: Found, copy: object, kind: number): void {
    const [size, base] = [Number(header.readBigUInt64LE(8)), header.readBigInt64LE(16)]
    const of = (what: number) => entries.get(what) ?? []
    if (kind === 3) {
      for (const [key, value] of of(3)) (copy as Map<unknown, unknown>).set(sortedKey(key), this.#plain(valuesOf(value)[0]))
      return check(of(3).length === size && base === 0n, 'a sorted map')
    }
    if (kind === 4) {
      for (const [index, [key, value]] of of(4).entries()) {
        check((key.readBigUInt64BE() ^ (1n << 63n)) === BigInt.asUintN(64, base + BigInt(index)), 'an index')
        ;(copy as unknown[]).push(this.#plain(valuesOf(value)[0]))
      }
      return check(of(4).length === size, 'an array')
    }
    const numbers = new Map(of(2).map(([key, list]) => [key.readBigUInt64BE(), list]))
    for (const [number, entry] of of(1)) {
      const [key, value] = valuesOf(entry)
      const length = entry.length - lengthOfLast(entry, kind === 2)
      const list = numbers.get(hash(this.#salt, entry.subarray(0, length)))
      check(list?.includes(Buffer.from(number.toReversed())) === true && number.readUIntBE(1, 6) < Number(base), 'a hash')
      if (copy instanceof Map) copy.set(this.#plain(key), this.#plain(value))
      else if (copy instanceof Set) copy.add(this.#plain(key))
      else (copy as Record<string, unknown>)[key as string] = this.#plain(value)
    }
    check(of(1).length === size, 'a count of entries')
    const type = kind >= 5 ? this.#shape(header.readUInt32LE(24)).type : undefined
    if (type !== undefined) (copy as Record<string, unknown>)['class'] = type
  }
}

/** The length of the value behind an entry's key. */
function lengthOfLast(entry: Buffer, isSet: boolean): number {
  if (isSet) return 0
  for (let length = 1; length <= entry.length; length += 1) {
    try {
      if (valuesOf(entry.subarray(0, length)).length === 1) return entry.length - length
    } catch {}
  }
  throw new Error('damage: an entry')
}

class Pet extends objects.Persistent {
  name = 'Bo'
  age = 3n
}

function reopened(t: ExecutionContext, fill: (root: any, store: objects.Store<any>) => void) {
  const path = join(folder(t), 'store')
  const store = objects.open(path, { classes: { Pet }, version: 7, root: () => ({}) })
  fill(store.root, store)
  const plain = objects.toPlain(store.root) as Record<string, unknown>
  store.close()
  t.true(objects.check(path).sound)
  return { plain, reader: new Reader(path) }
}

test('a reader by the pages alone sees the same', (t) => {
  const { plain, reader } = reopened(t, (root, store) => {
    root.atoms = [undefined, null, false, true, 0, -0, -1, 2 ** 31 - 1, 2 ** 31, 0.5, NaN, Infinity, -(2 ** 53), 0n, 1n, -256n, 2n ** 200n]
    root.texts = ['', 'a', 'é', 'a\0b', 'x'.repeat(255), 'x'.repeat(256), '\u{1f600}', 'y'.repeat(300_000), 'ж'.repeat(1000)]
    root.dates = [new Date(0), new Date(NaN)]
    root.bytes = [Uint8Array.of(1, 2), Uint8Array.of(3).buffer, new DataView(new ArrayBuffer(3)), Float64Array.of(0.5), BigInt64Array.of(-1n)]
    const keys = [1, '1', 1n, true, null, undefined, NaN, '', -0, root.texts]
    root.map = new Map(keys.map((key, index) => [key, index]))
    root.map.delete('1')
    root.map.set('1', 'at the end')
    root.many = new Map(Array.from({ length: 1000 }, (_, index) => [index, `${index}`]))
    root.set = new Set([3, 1, 'b', 2])
    root.set.delete(1)
    const sorted = [3, -1.5, 0, Infinity, -Infinity, 1e-9, 10n, -10n, 0n, 300n, -300n, '', 'a', 'a\0', 'a\u0001', '\ud800', '\uffff', 'ä', ['a'], ['a', 1], ['a', 1n, 'b'], [], ['a', -2]]
    root.sorted = store.sortedMap(sorted.map((key, index) => [key, index]))
    root.sorted.set('k'.repeat(2000), 'a long key')
    root.list = [1, 2, 3]
    root.list.unshift(...Array.from({ length: 300 }, (_, index) => -index))
    root.list.splice(5, 2, 'x')
    root.wide = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`field ${index}`, index]))
    root.wide.more = 'x'
    root.pet = new Pet()
    root.self = root
  })
  t.is(reader.version, 7)
  const read = reader.root as Record<string, unknown>
  t.is((read['pet'] as Record<string, unknown>)['class'], 'Pet')
  delete (read['pet'] as Record<string, unknown>)['class']
  t.is(read['self'], read)
  t.deepEqual([...(read['sorted'] as Map<unknown, unknown>)], [...(plain['sorted'] as Map<unknown, unknown>)])
  t.deepEqual([...(read['map'] as Map<unknown, unknown>).keys()].slice(0, 8), [...(plain['map'] as Map<unknown, unknown>).keys()].slice(0, 8))
  for (const [name, value] of Object.entries(plain)) if (name !== 'self' && name !== 'map') t.deepEqual(read[name], value, name)
})
