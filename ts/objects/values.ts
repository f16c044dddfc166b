/**
 * Values as bytes (`docs/objects-format.md`): each begins with a tag and says how long it is. What is written goes to `out`,
 * what is read comes from `from`.
 */

import { types } from 'node:util'
import { staging } from '../shared/frame.js'

/** What a value's first byte says that it is. */
export const TAG = {
  undefined: 0,
  null: 1,
  false: 2,
  true: 3,
  int: 4,
  number: 5,
  date: 6,
  reference: 7,
  bigint: 8,
  bytes: 9,
  short: 16,
  latin1: 17,
  utf16: 18,
} as const

/** The kinds of containers. */
export const KIND = { map: 1, set: 2, sortedMap: 3, array: 4, object: 5, instance: 6 } as const

/** A number of {@link KIND}. */
export type Kind = (typeof KIND)[keyof typeof KIND]

/** A container that is named by a value. */
export class Reference {
  constructor(
    readonly kind: Kind,
    readonly id: number,
  ) {}
}

/** What Buffers have, and their types have not. */
interface Texts {
  latin1Write(text: string, at: number): number
  ucs2Write(text: string, at: number): number
  latin1Slice(from: number, to: number): string
  ucs2Slice(from: number, to: number): string
}

/** The classes of bytes, in the order of their numbers. */
const BYTES = [
  ArrayBuffer,
  DataView,
  Uint8Array,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  (globalThis as { Float16Array?: typeof Float32Array }).Float16Array,
]

/** Up to here a loop over a text's units is faster than a call of the runtime's. */
const SHORT = 24

/** Where values are written: the staging area, or what is longer, once that is full. */
export class Writer {
  bytes: Buffer & Texts = staging as Buffer & Texts
  length = 0

  /** Begins anew. */
  clear(): this {
    this.bytes = staging as Buffer & Texts
    this.length = 0
    return this
  }

  /** Makes room for so many bytes more. */
  room(count: number): void {
    if (this.length + count <= this.bytes.length) return
    const longer = Buffer.allocUnsafe(Math.max(2 * this.bytes.length, this.length + count))
    this.bytes.copy(longer, 0, 0, this.length)
    this.bytes = longer as Buffer & Texts
  }

  byte(value: number): void {
    this.room(1)
    this.bytes[this.length++] = value
  }

  uint16(value: number): void {
    this.room(2)
    this.bytes[this.length++] = value
    this.bytes[this.length++] = value >>> 8
  }

  uint32(value: number): void {
    this.room(4)
    this.setUint32(this.length, value)
    this.length += 4
  }

  /** Writes over what was left for a number that was not known then. */
  setUint32(at: number, value: number): void {
    this.bytes[at] = value
    this.bytes[at + 1] = value >>> 8
    this.bytes[at + 2] = value >>> 16
    this.bytes[at + 3] = value >>> 24
  }

  /** A container's id. */
  id(id: number): void {
    this.uint32(id)
    const high = Math.floor(id / 2 ** 32)
    this.uint16(high)
    this.byte(high >>> 16)
  }

  reference(kind: Kind, id: number): void {
    this.byte(TAG.reference)
    this.byte(kind)
    this.id(id)
  }

  /** A primitive value; false where it is none. */
  primitive(value: unknown): boolean {
    switch (typeof value) {
      case 'string':
        this.text(value)
        return true
      case 'number':
        this.number(value)
        return true
      case 'boolean':
        this.byte(value ? TAG.true : TAG.false)
        return true
      case 'undefined':
        this.byte(TAG.undefined)
        return true
      case 'bigint':
        this.bigint(value)
        return true
      default:
        if (value !== null) return false
        this.byte(TAG.null)
        return true
    }
  }

  number(value: number): void {
    this.room(9)
    if ((value | 0) === value && !Object.is(value, -0)) {
      this.bytes[this.length] = TAG.int
      this.setUint32(this.length + 1, value)
      this.length += 5
      return
    }
    this.bytes[this.length] = TAG.number
    this.bytes.writeDoubleLE(value === value ? value : NaN, this.length + 1)
    this.length += 9
  }

  date(time: number): void {
    this.room(9)
    this.bytes[this.length] = TAG.date
    this.bytes.writeDoubleLE(time, this.length + 1)
    this.length += 9
  }

  text(value: string): void {
    const { length } = value
    if (length <= SHORT) {
      this.room(length + 2)
      const { bytes } = this
      const start = this.length + 2
      let all = 0
      for (let index = 0; index < length; index += 1) {
        const unit = value.charCodeAt(index)
        all |= unit
        bytes[start + index] = unit
      }
      if (all < 256) {
        bytes[start - 2] = TAG.short
        bytes[start - 1] = length
        this.length = start + length
        return
      }
    } else if (isLatin1(value)) {
      this.room(length + 5)
      if (length < 256) {
        this.bytes[this.length++] = TAG.short
        this.bytes[this.length++] = length
      } else {
        this.bytes[this.length++] = TAG.latin1
        this.uint32(length)
      }
      this.length += this.bytes.latin1Write(value, this.length)
      return
    }
    this.byte(TAG.utf16)
    this.uint32(2 * length)
    this.room(2 * length)
    this.length += this.bytes.ucs2Write(value, this.length)
  }

  bigint(value: bigint): void {
    const hex = (value < 0n ? -value : value).toString(16)
    const magnitude = value === 0n ? Buffer.alloc(0) : new Uint8Array(Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex')).toReversed()
    this.byte(TAG.bigint)
    this.uint32(1 + magnitude.length)
    this.byte(value < 0n ? 1 : 0)
    this.raw(magnitude)
  }

  /** An ArrayBuffer or a view; false where it is of no class that is known here. */
  binary(value: ArrayBuffer | ArrayBufferView): boolean {
    const type = typeOfBytes(value)
    if (type < 0) return false
    const bytes = ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : new Uint8Array(value)
    this.byte(TAG.bytes)
    this.uint32(1 + bytes.length)
    this.byte(type)
    this.raw(bytes)
    return true
  }

  raw(bytes: Uint8Array): void {
    this.room(bytes.length)
    this.bytes.set(bytes, this.length)
    this.length += bytes.length
  }
}

function isLatin1(value: string): boolean {
  // oxlint-disable-next-line no-control-regex -- these are what a byte can be
  return !/[^\u0000-\u00ff]/.test(value)
}

function typeOfBytes(value: ArrayBuffer | ArrayBufferView): number {
  if (!ArrayBuffer.isView(value)) return types.isArrayBuffer(value) ? 0 : -1
  if (types.isDataView(value)) return 1
  const tag = Reflect.get(typedArray, Symbol.toStringTag, value) as string
  return BYTES.findIndex((type) => type?.name === tag)
}

const typedArray: object = Object.getPrototypeOf(Uint8Array.prototype)

/** Where everything is written that crosses. */
export const out = new Writer()

/** Where values are read from: what the last call gave. No code of a caller runs while they are read. */
export class Reader {
  bytes: Buffer & Texts = staging as Buffer & Texts
  at = 0
  end = 0

  /** Begins with the first of these. */
  read(bytes: Buffer, end: number): this {
    this.bytes = bytes as Buffer & Texts
    this.at = 0
    this.end = end
    return this
  }

  byte(): number {
    return this.bytes[this.at++]!
  }

  uint16(): number {
    return this.byte() | (this.byte() << 8)
  }

  uint32(): number {
    const { bytes, at } = this
    this.at = at + 4
    return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  }

  /** A container's id, or an entry's number. */
  id(): number {
    const low = this.uint32()
    return (this.uint16() | (this.byte() << 16)) * 2 ** 32 + low
  }

  float64(): number {
    this.at += 8
    return this.bytes.readDoubleLE(this.at - 8)
  }

  /** The next value. A container is a {@link Reference}. */
  value(): unknown {
    const tag = this.byte()
    switch (tag) {
      case TAG.short:
        return this.latin1(this.byte())
      case TAG.int:
        return this.uint32() | 0
      case TAG.reference:
        return new Reference(this.byte() as Kind, this.id())
      case TAG.number:
        return this.float64()
      case TAG.undefined:
        return undefined
      case TAG.null:
        return null
      case TAG.false:
      case TAG.true:
        return tag === TAG.true
      case TAG.latin1:
        return this.latin1(this.uint32())
      case TAG.utf16:
        return this.utf16(this.uint32())
      case TAG.date:
        return new Date(this.float64())
      case TAG.bigint:
        return this.bigint()
      default:
        return this.binary()
    }
  }

  /** Passes over a value; its tag. */
  skip(): number {
    const tag = this.byte()
    if (tag === TAG.int) this.at += 4
    else if (tag === TAG.number || tag === TAG.date || tag === TAG.reference) this.at += 8
    else if (tag === TAG.short) this.at += 1 + this.bytes[this.at]!
    else if (tag >= TAG.bigint) {
      const length = this.uint32()
      this.at += length
    }
    return tag
  }

  private latin1(length: number): string {
    const { bytes, at } = this
    const end = at + length
    this.at = end
    if (length > SHORT) return bytes.latin1Slice(at, end)
    let text = ''
    for (let index = at; index < end; index += 1) text += String.fromCharCode(bytes[index]!)
    return text
  }

  private utf16(length: number): string {
    this.at += length
    return this.bytes.ucs2Slice(this.at - length, this.at)
  }

  private bigint(): bigint {
    const length = this.uint32()
    const isNegative = this.byte() === 1
    const end = this.at + length - 1
    const hex = Buffer.from(this.bytes.subarray(this.at, end).toReversed()).toString('hex')
    this.at = end
    const magnitude = BigInt(`0x${hex || '0'}`)
    return isNegative ? -magnitude : magnitude
  }

  private binary(): ArrayBuffer | ArrayBufferView {
    const length = this.uint32()
    const type = BYTES[this.byte()] ?? Uint8Array
    const copy = new Uint8Array(length - 1)
    copy.set(this.bytes.subarray(this.at, this.at + length - 1))
    this.at += length - 1
    return type === ArrayBuffer ? copy.buffer : new (type as typeof Uint8Array)(copy.buffer)
  }
}

/** Where everything is read from that has crossed. */
export const from = new Reader()
