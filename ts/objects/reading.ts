/** What is read of containers: as it is in the file, with references for the containers that values name. */

import * as calls from './calls.js'
import type { Session } from './session.js'
import { detached } from '../shared/errors.js'
import type { Shape } from './shapes.js'
import { type SortedKey, readSortedKey, writeCounted } from './sorted-keys.js'
import { type Kind, KIND, type Reader, TAG, from, out } from './values.js'

/** What a container says of itself. */
export interface Header {
  readonly kind: Kind
  /** Whether an object's fields are entries, not one record. */
  readonly isDictionary: boolean
  /** How many entries there are. */
  readonly size: number
}

const DICTIONARY = 2

/** Reads the header of an object; its shape, and, behind that in `from`, a record's values. */
export function readShaped(session: Session, id: number): { readonly header: Header; readonly shape: Shape } {
  let header = readHeader(session, id)
  const shapeId = from.uint32()
  const known = session.shapes.known(shapeId)
  if (known) return { header, shape: known }
  const shape = session.shapes.of(shapeId)
  header = readHeader(session, id)
  from.at += 4
  return { header, shape }
}

/** Reads a header; behind it, in `from`, is the shape of a record or dictionary, and a record's values. */
export function readHeader(session: Session, id: number): Header {
  const reader = calls.load(session.handle(), id)
  if (!reader) throw detached(session.path, 'it was made by what a failed flush took back, or the store is damaged, which objects.check tells')
  const kind = reader.byte() as Kind
  const isDictionary = (reader.byte() & DICTIONARY) !== 0
  reader.at += 6
  if (kind >= KIND.object && !isDictionary) return { kind, isDictionary, size: 0 }
  const size = reader.uint32() + reader.uint32() * 2 ** 32
  reader.at += 8
  return { kind, isDictionary, size }
}

/** Entries in their order. */
export interface Entries {
  readonly keys: unknown[]
  readonly values: unknown[]
  /** Their numbers, which ascend and are never used again. */
  readonly numbers: number[]
}

/** At most so many entries of a map, a set or a dictionary behind the one of a number; -1 for the first ones. */
export function readEntries(session: Session, id: number, kind: Kind, after: number, most: number): Entries {
  const reader = calls.entries(session.handle(), id, after, most)
  const count = calls.count()
  const keys: unknown[] = []
  const values: unknown[] = []
  const numbers: number[] = []
  for (let index = 0; index < count; index += 1) {
    numbers.push(reader.id())
    keys.push(reader.value())
    if (kind !== KIND.set) values.push(reader.value())
  }
  return { keys, values, numbers }
}

/** At most so many items of an array from an index on, each read by `read`. */
export function readItems(session: Session, id: number, index: number, most: number, read = (reader: Reader) => reader.value()): unknown[] {
  const reader = calls.items(session.handle(), id, index, most)
  const items: unknown[] = []
  for (let count = calls.count(); count > 0; count -= 1) items.push(read(reader))
  return items
}

/** An end of a range. */
export interface Bound {
  readonly key: SortedKey
  /** Whether the key itself does not belong to it. */
  readonly isOut: boolean
}

/** What of a range there is, as the native side has it. */
const RANGE = { reverse: 1, low: 2, lowIsOut: 4, high: 8, highIsIn: 16 } as const

/** At most so many entries of a range of a sorted map. */
export function readRange(session: Session, id: number, isReverse: boolean, low: Bound | undefined, high: Bound | undefined, most: number) {
  let bits = isReverse ? RANGE.reverse : 0
  if (low) bits |= RANGE.low | (low.isOut ? RANGE.lowIsOut : 0)
  if (high) bits |= RANGE.high | (high.isOut ? 0 : RANGE.highIsIn)
  out.clear().byte(bits)
  for (const bound of [low, high]) {
    if (bound) writeCounted(bound.key)
    else out.uint32(0)
  }
  const reader = calls.range(session.handle(), id, out, most)
  const keys: SortedKey[] = []
  const values: unknown[] = []
  for (let count = calls.count(); count > 0; count -= 1) {
    keys.push(readSortedKey(reader, reader.uint32()))
    values.push(reader.value())
  }
  return { keys, values }
}

/** What stands in a record for dates and bytes: whoever asks gets a copy of his own. */
export const COPIED = Symbol('a date, or bytes')

/** The values of a record, from `from`. */
export function readFields(): unknown[] {
  const values: unknown[] = []
  while (from.at < from.end) values.push(readCached(from))
  return values
}

/** The next value, unless each reader gets a copy of it. */
export function readCached(reader: Reader): unknown {
  const tag = reader.bytes[reader.at]
  if (tag !== TAG.date && tag !== TAG.bytes) return reader.value()
  reader.skip()
  return COPIED
}
