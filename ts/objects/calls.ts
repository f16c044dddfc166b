/** A store's calls by the frame (`crates/pmem-node/src/objects/hot.rs`). */

import { given, put, staging } from '../shared/frame.js'
import { native } from '../shared/native.js'
import { type Reader, type Writer, from } from './values.js'

const calls = native.objectsCalls()

/** What a call gave: bytes in the staging area, or such that are longer; undefined for what is not there. */
function taken(): Reader | undefined {
  const length = given(0)
  if (length < 0) return undefined
  return from.read(length <= staging.length ? staging : native.objectsTaken(), length)
}

/** Carries commands out, all or none; the last one's first result. */
export function apply(handle: number, commands: Writer): number {
  put(handle, 0, commands.length)
  if (commands.bytes === staging) calls.apply()
  else calls.applyLong(commands.bytes)
  return given(0)
}

/** The second result of the last `apply`. */
export function applied(): number {
  return given(1)
}

export function root(handle: number): Reader | undefined {
  put(handle)
  calls.root()
  return taken()
}

/** A container's header, and the fields of a record. */
export function load(handle: number, id: number): Reader | undefined {
  put(handle, id)
  calls.load()
  return taken()
}

/** The value of the key that is in the writer. */
export function get(handle: number, id: number, key: Writer): Reader | undefined {
  put(handle, id, key.length)
  if (key.bytes === staging) calls.get()
  else calls.getLong(key.bytes)
  return taken()
}

/** The value of the ordered key that is in the writer. */
export function sortedGet(handle: number, id: number, key: Writer): Reader | undefined {
  put(handle, id, key.length)
  if (key.bytes === staging) calls.sortedGet()
  else calls.sortedGetLong(key.bytes)
  return taken()
}

/** How many entries or items the last call gave. */
export function count(): number {
  return given(1)
}

/** At most so many entries behind one; -1 for the first ones. */
export function entries(handle: number, id: number, after: number, most: number): Reader {
  put(handle, id, most, after)
  calls.entries()
  return taken()!
}

/** At most so many entries of a range that is in the writer. */
export function range(handle: number, id: number, bounds: Writer, most: number): Reader {
  put(handle, id, bounds.length, most)
  if (bounds.bytes === staging) calls.range()
  else calls.rangeLong(bounds.bytes)
  return taken()!
}

/** At most so many items from an index on. */
export function items(handle: number, id: number, index: number, most: number): Reader {
  put(handle, id, most, index)
  calls.items()
  return taken()!
}

/** Takes a new view. How many ids of containers that others changed are in the staging area, as numbers; -1 for too many. */
export function refresh(handle: number): number {
  put(handle)
  calls.refresh()
  return given(0)
}

/** Gives the view back. */
export function endTurn(handle: number): void {
  put(handle)
  calls.endTurn()
}

export function begin(handle: number): void {
  put(handle)
  calls.begin()
}

/** Whether a transaction begins without waiting. */
export function tryBegin(handle: number): boolean {
  put(handle)
  calls.tryBegin()
  return given(0) === 1
}

export function commit(handle: number): void {
  put(handle)
  calls.commit()
}

export function rollback(handle: number): void {
  put(handle)
  calls.rollback()
}

export function pin(handle: number, id: number): void {
  put(handle, id)
  calls.pin()
}

export function unpin(handle: number, id: number): void {
  put(handle, id)
  calls.unpin()
}

/** The first of so many ids that nobody else gets. */
export function reserveIds(handle: number, most: number): number {
  put(handle, most)
  calls.reserveIds()
  return given(0)
}

/** The id of the shape that is in the writer; 0 where no more are taken. */
export function intern(handle: number, form: Writer): number {
  put(handle, 0, form.length)
  if (form.bytes === staging) calls.intern()
  else calls.internLong(form.bytes)
  return given(0)
}

export function shape(handle: number, id: number): Reader | undefined {
  put(handle, id)
  calls.shape()
  return taken()
}
