/** All that is in a container, as it is in the file. */

import { type Bound, readEntries, readItems, readRange, readShaped } from './reading.js'
import type { Session } from './session.js'
import { stepOf, stepTo } from './steps.js'
import { KIND, type Reference, from } from './values.js'

/** How many entries are fetched at once. */
const MOST = 256

/** Names, indexes or keys, and values, which are references where they are containers. A set's values are keys too. */
export function contentsOf(session: Session, reference: Reference): Iterable<[unknown, unknown]> {
  const { kind, id } = reference
  if (kind === KIND.array) return itemsOf(session, id)
  if (kind === KIND.sortedMap) return sortedOf(session, id)
  if (kind === KIND.map || kind === KIND.set) return entriesOf(session, reference)
  return fieldsOf(session, reference)
}

function* itemsOf(session: Session, id: number): Generator<[number, unknown]> {
  for (let index = 0; ; ) {
    const items = readItems(session, id, index, MOST)
    if (items.length === 0) return
    for (const item of items) yield [index++, item]
  }
}

function* entriesOf(session: Session, { id, kind }: Reference): Generator<[unknown, unknown]> {
  for (let after = -1; ; ) {
    const { keys, values, numbers } = readEntries(session, id, kind, after, MOST)
    if (keys.length === 0) return
    for (const [index, key] of keys.entries()) yield [key, kind === KIND.set ? key : values[index]]
    after = numbers.at(-1)!
  }
}

function* sortedOf(session: Session, id: number): Generator<[unknown, unknown]> {
  for (let last: Bound | undefined; ; ) {
    const { keys, values } = readRange(session, id, false, last, undefined, MOST)
    if (keys.length === 0) return
    for (const [index, key] of keys.entries()) yield [key, values[index]]
    last = { key: keys.at(-1)!, isOut: true }
  }
}

function* fieldsOf(session: Session, reference: Reference): Generator<[unknown, unknown]> {
  const { header, shape } = readShaped(session, reference.id)
  if (header.isDictionary) return yield* entriesOf(session, reference)
  const values = shape.names.map(() => from.value())
  for (const [index, name] of shape.names.entries()) yield [name, values[index]]
}

/** How code would name what is at a key of a container. */
export function stepIn({ kind }: Reference, key: unknown): string {
  if (kind === KIND.array) return `[${key as number}]`
  return kind === KIND.object || kind === KIND.instance ? stepOf(key as string) : stepTo(key)
}
