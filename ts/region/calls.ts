/** A region's calls by the frame (`crates/pmem-node/src/region/hot.rs`). */

import { put, stage, stagedNumbers, staging } from '../shared/frame.js'
import { native } from '../shared/native.js'

const calls = native.regionCalls()

export function persist(handle: number, byteOffset: number, byteLength: number): void {
  put(handle, byteOffset, byteLength)
  calls.persist()
}

export function flush(handle: number, byteOffset: number, byteLength: number): void {
  put(handle, byteOffset, byteLength)
  calls.flush()
}

export function drain(handle: number): void {
  put(handle)
  calls.drain()
}

export function copyFrom(handle: number, byteOffset: number, bytes: Uint8Array, durable: boolean): void {
  const { length } = bytes
  if (length > staging.length) return native.regionCopyFrom(handle, byteOffset, bytes, durable)
  stage(bytes)
  put(handle, byteOffset, length, durable ? 1 : 0)
  calls.copyFrom()
}

/** Puts persisting off, for whoever waits for the queue. */
export function enqueuePersist(handle: number, byteOffset: number, byteLength: number, queue: number): void {
  put(handle, byteOffset, byteLength, queue)
  calls.enqueuePersist()
}

/** `ranges` are pairs of offset and length. */
export function persistMany(handle: number, ranges: readonly number[]): void {
  if (ranges.length > stagedNumbers.length) return native.regionPersistMany(handle, Float64Array.from(ranges))
  stagedNumbers.set(ranges)
  put(handle, 0, ranges.length)
  calls.persistMany()
}
