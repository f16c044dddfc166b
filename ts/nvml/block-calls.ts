/** An array's calls by the frame (`crates/pmem-node/src/nvml/blk.rs`). */

import { put } from '../shared/frame.js'
import { native } from '../shared/native.js'

const calls = native.arrayCalls()

/** Fills the first `byteLength` bytes of `target` with blocks in a row. */
export function read(handle: number, first: number, target: Uint8Array, byteLength: number): void {
  put(handle, first, byteLength)
  calls.read(target)
}

/** Writes blocks in a row. */
export function write(handle: number, first: number, data: Uint8Array): void {
  put(handle, first)
  calls.write(data)
}
