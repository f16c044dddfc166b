/**
 * The call frame: hot calls cross without arguments. Handle and numbers are written into slots, payload bytes into a
 * staging area, both seen by the native side (`crates/pmem-node/src/frame.rs`). No code of a caller runs between the
 * writes and the call.
 */

import { native } from './native.js'

const frame = native.callFrame()
const slots = new Float64Array(frame.slots)

/** Whether any region or pool of the process may be broken: each is asked then, before and after it is used. */
export function alarmed(): boolean {
  return slots[7] !== 0
}

/** Bytes that were just copied were what they should be: they do not lie in a mapping of which a page was lost. */
export function checkSource(bytes: Uint8Array): void {
  if (alarmed()) native.checkData(bytes)
}

/** Puts bytes into the staging area. */
export function stage(bytes: Uint8Array, offset = 0): void {
  staging.set(bytes, offset)
  checkSource(bytes)
}

/** Payload bytes that cross with a call. What is longer crosses by an ordinary one. */
export const staging = Buffer.from(frame.staging)
const numbers = new Float64Array(frame.staging)

export function persist(handle: number, byteOffset: number, byteLength: number): void {
  slots[0] = handle
  slots[1] = byteOffset
  slots[2] = byteLength
  frame.persist()
}

export function flush(handle: number, byteOffset: number, byteLength: number): void {
  slots[0] = handle
  slots[1] = byteOffset
  slots[2] = byteLength
  frame.flush()
}

export function drain(handle: number): void {
  slots[0] = handle
  frame.drain()
}

export function copyFrom(handle: number, byteOffset: number, bytes: Uint8Array, durable: boolean): void {
  const { length } = bytes
  if (length > staging.length) return native.regionCopyFrom(handle, byteOffset, bytes, durable)
  stage(bytes)
  slots[0] = handle
  slots[1] = byteOffset
  slots[2] = length
  slots[3] = durable ? 1 : 0
  frame.copyFrom()
}

/** `ranges` are pairs of offset and length. */
export function persistMany(handle: number, ranges: readonly number[]): void {
  if (ranges.length > numbers.length) return native.regionPersistMany(handle, Float64Array.from(ranges))
  numbers.set(ranges)
  slots[0] = handle
  slots[2] = ranges.length
  frame.persistMany()
}

/** Appends the first bytes of the staging area. */
export function append(handle: number, byteLength: number): void {
  slots[0] = handle
  slots[2] = byteLength
  frame.append()
}

/** Reads a block into the staging area. */
export function readBlock(handle: number, index: number, byteLength: number): void {
  slots[0] = handle
  slots[1] = index
  slots[2] = byteLength
  frame.readBlock()
}

/** Writes a block from the staging area. */
export function writeBlock(handle: number, index: number, byteLength: number): void {
  slots[0] = handle
  slots[1] = index
  slots[2] = byteLength
  frame.writeBlock()
}
