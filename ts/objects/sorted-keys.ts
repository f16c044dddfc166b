/**
 * Keys of sorted maps as bytes whose order is the keys' (`docs/objects-format.md`): numbers, bigints, texts by their UTF-16 units, and
 * tuples of them, in this order; a tuple comes before a longer one that begins with it.
 */

import { wrongType, wrongValue } from '../shared/errors.js'
import { type Reader, type Writer, out } from './values.js'

/** A part of a key. */
export type SortedPart = string | number | bigint

/** A key of a sorted map. */
export type SortedKey = SortedPart | readonly SortedPart[]

const END = 0
const NUMBER = 16
const BIGINT = 32
const TEXT = 48
const TUPLE = 64

/** Writes a key behind the number of its bytes. */
export function writeCounted(key: SortedKey): void {
  const start = out.length
  out.uint32(0)
  writeSortedKey(out, key)
  out.setUint32(start, out.length - start - 4)
}

/** Throws where a value can be no key. What is in the writer is lost. */
export function checkSortedKey(key: SortedKey): void {
  writeSortedKey(out.clear(), key)
}

/** Writes a key. */
export function writeSortedKey(to: Writer, key: SortedKey): void {
  if (!Array.isArray(key)) return writePart(to, key as SortedPart)
  to.byte(TUPLE)
  for (let index = 0; index < key.length; index += 1) writePart(to, key[index] as SortedPart)
  to.byte(END)
}

const number = Buffer.alloc(8)

function writePart(to: Writer, part: SortedPart): void {
  if (typeof part === 'number') writeNumber(to, part)
  else if (typeof part === 'string') writeText(to, part)
  else if (typeof part === 'bigint') writeBigint(to, part)
  else if (Array.isArray(part)) throw wrongValue('key', 'a tuple has no tuples in it')
  else throw wrongType('key', 'a string, a number, a bigint or an array of them', part)
}

function writeNumber(to: Writer, value: number): void {
  if (Number.isNaN(value)) throw wrongValue('key', 'NaN has no place in an order')
  // -0 is 0.
  number.writeDoubleBE(value + 0)
  flip(number)
  to.byte(NUMBER)
  to.raw(number)
}

/** Gives numbers the order of their bytes, or takes it back: of negative ones all bits are turned, of others the sign. */
function flip(bytes: Buffer, isEncoded = false): void {
  const isNegative = (bytes[0]! & 128) === (isEncoded ? 0 : 128)
  if (!isNegative) bytes[0]! ^= 128
  else for (let index = 0; index < 8; index += 1) bytes[index]! ^= 255
}

/** By the length of the magnitude, then by that; of negative ones all bits are turned. */
function writeBigint(to: Writer, value: bigint): void {
  const isNegative = value < 0n
  const hex = (isNegative ? -value : value).toString(16)
  const magnitude = Buffer.from(value === 0n ? '' : hex.length % 2 ? `0${hex}` : hex, 'hex')
  const length = Buffer.alloc(4)
  length.writeUInt32BE(magnitude.length)
  to.byte(BIGINT)
  to.byte(isNegative ? 0 : 1)
  for (const bytes of [length, magnitude]) to.raw(isNegative ? bytes.map((byte) => byte ^ 255) : bytes)
}

/** Each UTF-16 unit by itself as UTF-8 has it, but for 0 and 1, which are two bytes: so nothing in it is the end. */
function writeText(to: Writer, text: string): void {
  to.room(3 * text.length + 2)
  const { bytes } = to
  let at = to.length
  bytes[at++] = TEXT
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index)
    if (unit < 2) {
      bytes[at++] = 1
      bytes[at++] = 1 + unit
    } else if (unit < 0x80) {
      bytes[at++] = unit
    } else if (unit < 0x800) {
      bytes[at++] = 0xc0 | (unit >> 6)
      bytes[at++] = 0x80 | (unit & 0x3f)
    } else {
      bytes[at++] = 0xe0 | (unit >> 12)
      bytes[at++] = 0x80 | ((unit >> 6) & 0x3f)
      bytes[at++] = 0x80 | (unit & 0x3f)
    }
  }
  bytes[at++] = END
  to.length = at
}

/** Reads a key of so many bytes. */
export function readSortedKey(reader: Reader, length: number): SortedKey {
  const end = reader.at + length
  if (reader.bytes[reader.at] !== TUPLE) return readPart(reader, end)
  reader.at += 1
  const parts: SortedPart[] = []
  while (reader.at < end && reader.bytes[reader.at] !== END) parts.push(readPart(reader, end))
  reader.at = end
  // Whoever goes on from it must find it as it is.
  return Object.freeze(parts)
}

function readPart(reader: Reader, end: number): SortedPart {
  const { bytes, at } = reader
  if (bytes[at] === TEXT) return readText(reader, end)
  if (bytes[at] === BIGINT) return readBigint(reader)
  bytes.copy(number, 0, at + 1, at + 9)
  flip(number, true)
  reader.at = at + 9
  return number.readDoubleBE()
}

function readBigint(reader: Reader): bigint {
  const isNegative = reader.bytes[reader.at + 1] === 0
  const turned = (from: number, to: number) => Buffer.from(reader.bytes.subarray(from, to).map((byte) => (isNegative ? byte ^ 255 : byte)))
  const start = reader.at + 6
  reader.at = start + turned(start - 4, start).readUInt32BE()
  const magnitude = BigInt(`0x${turned(start, reader.at).toString('hex') || '0'}`)
  return isNegative ? -magnitude : magnitude
}

function readText(reader: Reader, end: number): string {
  const { bytes } = reader
  let text = ''
  let at = reader.at + 1
  for (let first = bytes[at]!; at < end && first !== END; first = bytes[at]!) {
    at += 1
    let unit = first
    if (first === 1) unit = bytes[at++]! - 1
    else if (first >= 0xe0) unit = ((first & 0xf) << 12) | ((bytes[at++]! & 0x3f) << 6) | (bytes[at++]! & 0x3f)
    else if (first >= 0x80) unit = ((first & 0x1f) << 6) | (bytes[at++]! & 0x3f)
    text += String.fromCharCode(unit)
  }
  reader.at = at + 1
  return text
}
