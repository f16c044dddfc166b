/** Data of every kind that is written, with the bytes that it stands for. */

import type { pmem } from 'pmem'

const bytes = Uint8Array.from({ length: 48 }, (_, index) => (index * 37 + 200) % 256)

/** `bytes` in the middle of a longer memory, whose rest must not be written. */
function embedded<T extends ArrayBufferLike>(memory: T, offset: number): T {
  new Uint8Array(memory).fill(0xee)
  new Uint8Array(memory).set(bytes, offset)
  return memory
}

const VIEWS = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
]

const views = VIEWS.map((View) => [
  `a view ${View.name} with an offset`,
  new View(embedded(new ArrayBuffer(80), 16), 16, 48 / View.BYTES_PER_ELEMENT),
  bytes,
]) as [string, pmem.Data, Uint8Array][]

function whole<T extends ArrayBufferLike>(memory: T): T {
  new Uint8Array(memory).set(bytes)
  return memory
}

/** A buffer that was longer; its views follow its length. */
function resized(): ArrayBuffer {
  const Resizable = ArrayBuffer as unknown as new (length: number, options: object) => ArrayBuffer & { resize(length: number): void }
  const memory = new Resizable(100, { maxByteLength: 200 })
  memory.resize(48)
  return whole(memory)
}

export const dataKinds: readonly (readonly [what: string, data: pmem.Data, expected: Uint8Array])[] = [
  ['an empty string', '', Buffer.alloc(0)],
  ['ASCII text', 'persistent', Buffer.from('persistent')],
  ['text of all UTF-8 lengths', 'aé€😀\u{10ffff}', Buffer.from('aé€😀\u{10ffff}')],
  ['text with NULs', '\0a\0\0b\0', Buffer.from([0, 97, 0, 0, 98, 0])],
  ['a lone surrogate', 'a\ud800b', Buffer.from([97, 0xef, 0xbf, 0xbd, 98])],
  ['a Buffer', Buffer.from(bytes), bytes],
  ['an empty Buffer', Buffer.alloc(0), Buffer.alloc(0)],
  ['a part of a pooled Buffer', Buffer.from('xxpartxx').subarray(2, 6), Buffer.from('part')],
  ...views,
  ['a DataView with an offset', new DataView(embedded(new ArrayBuffer(80), 5), 5, 48), bytes],
  ['an ArrayBuffer', whole(new ArrayBuffer(48)), bytes],
  ['an empty ArrayBuffer', new ArrayBuffer(0), Buffer.alloc(0)],
  ['a resized ArrayBuffer', resized(), bytes],
  ['a view that follows a resized ArrayBuffer', new Uint8Array(resized()), bytes],
  ['a SharedArrayBuffer', whole(new SharedArrayBuffer(48)), bytes],
  ['a view of a SharedArrayBuffer', new Uint16Array(embedded(new SharedArrayBuffer(80), 6), 6, 24), bytes],
  ['a DataView of a SharedArrayBuffer', new DataView(embedded(new SharedArrayBuffer(80), 7), 7, 48), bytes],
]

/** More than the pools of the tests can hold. */
export const overlong = Buffer.alloc(32 << 20)
