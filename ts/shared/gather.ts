import { type Data, encode, isPlain, toBytes } from './arguments.js'
import { type Shared, allocateShared, cut } from './buffers.js'
import { wrongType } from './errors.js'
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

/**
 * The bytes of all parts, each copied when the iterator gives it: what happens to it afterwards does not count. All code of
 * a caller runs here.
 */
export function gather(name: string, parts: Iterable<Data>): Gathered {
  if (typeof parts === 'string' || typeof parts?.[Symbol.iterator] !== 'function') {
    throw wrongType(name, 'an iterable of strings or bytes', parts)
  }
  if (isBusy) return collect(name, parts, allocateShared(PIECE, false))
  isBusy = true
  try {
    return collect(name, parts, gathering)
  } finally {
    isBusy = false
  }
}

function collect(name: string, parts: Iterable<Data>, first: Shared): Gathered {
  const pieces: Uint8Array[] = []
  let piece = first
  let target = piece.bytes
  let room = target.length
  let length = 0
  let index = 0
  for (const part of parts) {
    if (typeof part === 'string' && part.length <= (room - length) / 3) {
      length += encode(part, cut(piece, length, room - length))
    } else {
      const bytes = isPlain(part) ? part : toBytes(name, part, index)
      const count = bytes.length
      if (count > room - length) {
        pieces.push(target.subarray(0, length))
        piece = allocateShared(Math.max(PIECE, count), false)
        target = piece.bytes
        room = target.length
        length = 0
      }
      target.set(bytes, length)
      checkSource(bytes)
      length += count
    }
    index += 1
  }
  if (piece === gathering) return { length, pieces }
  pieces.push(target.subarray(0, length))
  return { length: null, pieces }
}
