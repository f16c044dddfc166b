/** A log's calls by the frame (`crates/pmem-node/src/nvml/log.rs`). */

import { given, put } from '../shared/frame.js'
import { native } from '../shared/native.js'

const calls = native.logCalls()

/** Appends the first bytes of the staging area. */
export function append(handle: number, byteLength: number): void {
  put(handle, 0, byteLength)
  calls.append()
}

/** Appends the first bytes that were gathered. */
export function appendGathered(handle: number, byteLength: number): void {
  put(handle, 0, byteLength)
  calls.appendGathered()
}

/** Puts an append of the first bytes of the staging area off, for whoever waits for the queue. */
export function enqueue(handle: number, byteLength: number, queue: number): void {
  put(handle, 0, byteLength, queue)
  calls.enqueue()
}

/** How many bytes the log holds. */
export function tell(handle: number): number {
  put(handle)
  calls.tell()
  return given(0)
}

/** Fills `target` from an offset; how many bytes there were. */
export function read(handle: number, byteOffset: number, target: Uint8Array): number {
  put(handle, byteOffset)
  calls.read(target)
  return given(0)
}
