/** A journal's calls by the frame (`crates/pmem-node/src/journal/hot.rs`). */

import { given, put } from '../shared/frame.js'
import { native } from '../shared/native.js'

const calls = native.journalCalls()

/** The sequence that an append expects where it expects none. */
export const ANY = -1

/** Where reading goes on: a sequence, and where it probably is. */
export interface Position {
  sequence: number
  /** The first sequence of its segment. */
  segment: number
  /** Where in the segment it is; 0 where that is not known. */
  offset: number
}

/** Appends the first bytes of the staging area as one record; its sequence. */
export function append(handle: number, byteLength: number, durable: boolean, expected: number): number {
  put(handle, durable ? 1 : 0, byteLength, expected)
  calls.append()
  return given(0)
}

/** Appends the records in the first bytes that were gathered as one batch; the first one's sequence. */
export function appendMany(handle: number, byteLength: number, durable: boolean, expected: number): number {
  put(handle, durable ? 1 : 0, byteLength, expected)
  calls.appendMany()
  return given(0)
}

/** Puts a durable append of the first bytes of the staging area off, for whoever waits for the queue; its sequence. */
export function enqueue(handle: number, byteLength: number, queue: number, expected: number): number {
  put(handle, expected, byteLength, queue)
  calls.enqueue()
  return given(0)
}

/** The oldest sequence. */
export function first(handle: number): number {
  put(handle)
  calls.first()
  return given(0)
}

/** The sequence behind the last durable record. */
export function next(handle: number): number {
  put(handle)
  calls.next()
  return given(0)
}

/** The bytes of all frames. */
export function size(handle: number): number {
  put(handle)
  calls.size()
  return given(0)
}

/**
 * Fills `target` with whole frames, and says where those behind are, but for their sequence: how many bytes they are; 0 at
 * the end; below 0, how many the first of them needs.
 */
export function read(handle: number, position: Position, target: Uint8Array, skipDamaged: boolean): number {
  put(handle, position.offset, position.sequence, position.segment)
  if (skipDamaged) calls.readSkipping(target)
  else calls.read(target)
  position.offset = given(1)
  position.segment = given(2)
  return given(0)
}
