/** An array's calls by the frame (`crates/pmem-node/src/nvml/blk.rs`). */

import { put } from '../shared/frame.js'
import { native } from '../shared/native.js'

const calls = native.arrayCalls()

/** Reads a block into the staging area. */
export function read(handle: number, index: number, byteLength: number): void {
  put(handle, index, byteLength)
  calls.read()
}

/** Writes a block from the staging area. */
export function write(handle: number, index: number, byteLength: number): void {
  put(handle, index, byteLength)
  calls.write()
}
