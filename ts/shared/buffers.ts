/** Buffers that share their memory with others: cut out of it without another copy. */

import * as threads from 'node:worker_threads'

/** The class behind Buffer, which makes its instances fastest; where a runtime has none this is Buffer. */
const Over = (Buffer as unknown as Record<symbol, unknown>)[Symbol.species] as new (
  memory: ArrayBufferLike,
  byteOffset: number,
  length: number,
) => Buffer

/** Bytes of `whole`, which is all of its memory. */
export const cut: (whole: Buffer, start: number, length: number) => Buffer = makesBuffers()
  ? (whole, start, length) => new Over(whole.buffer, start, length)
  : (whole, start, length) => whole.subarray(start, start + length)

function makesBuffers(): boolean {
  if ((Over as unknown) === Buffer || typeof Over !== 'function') return false
  const made = new Over(new ArrayBuffer(4), 1, 2)
  return Object.getPrototypeOf(made) === Buffer.prototype && made.byteOffset === 1 && made.length === 2
}

/**
 * Memory for several Buffers, with anything in it. Nobody can transfer it, where the runtime has a way to say so, as it is
 * with what `Buffer.allocUnsafe` shares: whoever did would empty the other Buffers.
 */
export function sharedMemory(length: number): Buffer {
  const whole = Buffer.allocUnsafeSlow(length)
  threads.markAsUntransferable?.(whole.buffer)
  return whole
}

/** What small Buffers are cut out of: the most that one of them keeps alive. */
const SLAB = 64 << 10
/** The longest of them. */
export const SMALL = 16 << 10

let slab = sharedMemory(SLAB)
let used = 0

/** A Buffer of at most `SMALL` bytes, with anything in it. */
export function allocateSmall(length: number): Buffer {
  // Also where someone took the memory away all the same.
  if (length > slab.length - used || slab.length === 0) {
    slab = sharedMemory(SLAB)
    used = 0
  }
  const start = used
  // The next one is aligned for every kind of number.
  used = (start + length + 7) & ~7
  return cut(slab, start, length)
}
