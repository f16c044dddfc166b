import { type Data, encode, isPlain, toBytes } from './arguments.js'
import { type Shared, allocateShared, cut } from './buffers.js'
import { outOfRange, wrongType } from './errors.js'
import { checkSource, gathering } from './frame.js'

/** The size of a piece after the first. */
const PIECE = 1 << 20

/** Bytes one behind the other, in pieces. */
export interface Gathered {
  /** All that is in `gathering`, where that was enough; null where it was not, or was in use. */
  readonly length: number | null
  readonly pieces: readonly Uint8Array[]
}

/** Whether a gathering is under way: one that a caller's iterator starts takes memory of its own. */
let isBusy = false

/** The size of a length before a record, and the longest record, in bytes. */
const HEAD = 4
export const LONGEST = 1 << 30

/**
 * The bytes of all parts, each copied when the iterator gives it: what happens to it afterwards does not count. All code of
 * a caller runs here.
 */
export function gather(name: string, parts: Iterable<Data>): Gathered {
  return gatherBehind(0, name, parts)
}

/** As {@link gather}, each behind its length, 32 bits, little-endian; no piece ends within a record. */
export function gatherRecords(name: string, records: Iterable<Data>): Gathered {
  return gatherBehind(HEAD, name, records)
}

/** Leaves `head` bytes before each part for its length. */
function gatherBehind(head: number, name: string, parts: Iterable<Data>): Gathered {
  if (typeof parts === 'string' || typeof parts?.[Symbol.iterator] !== 'function') {
    throw wrongType(name, 'an iterable of strings or bytes', parts)
  }
  if (isBusy) return collect(head, name, parts, allocateShared(PIECE, false))
  isBusy = true
  try {
    return collect(head, name, parts, gathering)
  } finally {
    isBusy = false
  }
}

function collect(head: number, name: string, parts: Iterable<Data>, first: Shared): Gathered {
  const pieces: Uint8Array[] = []
  let piece = first
  let target = piece.bytes
  let room = target.length
  let length = 0
  let index = 0
  for (const part of parts) {
    if (typeof part === 'string' && part.length <= (room - length - head) / 3) {
      const start = length + head
      const count = encode(part, cut(piece, start, room - start))
      if (head > 0) putLength(target, length, count)
      length = start + count
    } else {
      const bytes = isPlain(part) ? part : toBytes(name, part, index)
      const count = bytes.length
      if (head > 0 && count > LONGEST) throw outOfRange(`${name}[${index}].byteLength`, `<= ${LONGEST}`, count)
      if (head + count > room - length) {
        pieces.push(target.subarray(0, length))
        piece = allocateShared(Math.max(PIECE, head + count), false)
        target = piece.bytes
        room = target.length
        length = 0
      }
      if (head > 0) putLength(target, length, count)
      target.set(bytes, length + head)
      checkSource(bytes)
      length += head + count
    }
    index += 1
  }
  if (piece === gathering) return { length, pieces }
  pieces.push(target.subarray(0, length))
  return { length: null, pieces }
}

function putLength(target: Uint8Array, offset: number, length: number): void {
  target[offset] = length
  target[offset + 1] = length >>> 8
  target[offset + 2] = length >>> 16
  target[offset + 3] = length >>> 24
}
