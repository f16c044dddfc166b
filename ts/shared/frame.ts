/**
 * The call frame: hot calls cross without arguments. Handle and numbers are written into slots, payload bytes into a
 * staging area, both seen by the native side (`crates/pmem-node/src/shared/frame.rs`). No code of a caller runs between
 * the writes and the call. Each module has calls of its own.
 */

import { encode } from './arguments.js'
import type { Shared } from './buffers.js'
import { native } from './native.js'

const frame = native.callFrame()

/**
 * 0: the handle. 1: an offset or an index. 2: a length. 3: a flag. 4 to 6: numbers that a call gives, until the next one.
 * 7: the alarm.
 */
const slots = new Float64Array(frame.slots)

/** Payload bytes that cross with a call. What is longer crosses by an ordinary one. */
export const staging = Buffer.from(frame.staging)

/** The same as numbers. */
export const stagedNumbers = new Float64Array(frame.staging)

/** What `gather` fills while code of a caller runs, and no other call uses. */
export const gathering: Shared = { bytes: Buffer.from(frame.gathering), memory: frame.gathering }

/** Fills the slots for a call. */
export function put(handle: number, offset = 0, length = 0, flag = 0): void {
  slots[0] = handle
  slots[1] = offset
  slots[2] = length
  slots[3] = flag
}

/** A number that the last call gave: the first to the third. */
export function given(index: 0 | 1 | 2): number {
  return slots[4 + index]!
}

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

/** Puts text into the staging area as UTF-8, where that surely has room for it; the number of bytes, or -1. */
export function stageText(text: string): number {
  return text.length <= staging.length / 3 ? encode(text, staging) : -1
}
