/** Buffers that share their memory with others: cut out of it without another copy. */

import * as threads from 'node:worker_threads'

/** The class behind Buffer, which makes its instances fastest; where a runtime has none this is Buffer. */
const Over = (Buffer as unknown as Record<symbol, unknown>)[Symbol.species] as new (
  memory: ArrayBufferLike,
  byteOffset: number,
  length: number,
) => Buffer

/** Memory for several Buffers. */
export interface Shared {
  /** All of it. */
  readonly bytes: Buffer
  /** What `bytes.buffer` is, which takes long to ask for. */
  readonly memory: ArrayBufferLike
}

/** A Buffer of some of the bytes. */
export const cut: (shared: Shared, start: number, length: number) => Buffer = makesBuffers()
  ? ({ memory }, start, length) => new Over(memory, start, length)
  : ({ bytes }, start, length) => bytes.subarray(start, start + length)

function makesBuffers(): boolean {
  if ((Over as unknown) === Buffer || typeof Over !== 'function') return false
  const made = new Over(new ArrayBuffer(4), 1, 2)
  return Object.getPrototypeOf(made) === Buffer.prototype && made.byteOffset === 1 && made.length === 2
}

/**
 * Memory with anything in it. Where it is for several, nobody can transfer it, if the runtime has a way to say so, as it is
 * with what `Buffer.allocUnsafe` shares: whoever did would empty the other Buffers.
 */
export function allocateShared(length: number, several = true): Shared {
  const bytes = Buffer.allocUnsafeSlow(length)
  const memory = bytes.buffer
  if (several) threads.markAsUntransferable?.(memory)
  return { bytes, memory }
}

/** What small Buffers are cut out of: the most that one of them keeps alive. */
export const SLAB = 64 << 10
/** The longest of them, in bytes. */
export const SMALL = 16 << 10

let slab = allocateShared(SLAB)
let used = 0

/** A Buffer with anything in it. A short one shares its memory. */
export function allocate(length: number): Buffer {
  if (length > SMALL) return Buffer.allocUnsafe(length)
  if (length > SLAB - used || slab.bytes.length === 0) {
    // Also where someone took the memory away all the same.
    slab = allocateShared(SLAB)
    used = 0
  }
  const start = used
  // The next one is aligned for every kind of number.
  used = (start + length + 7) & ~7
  return cut(slab, start, length)
}
