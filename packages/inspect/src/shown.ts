/** Values as the page has them. */

import { inspect } from 'node:util'
import { contentsOf } from '../../../ts/objects/contents.js'
import { readHeader, readShaped } from '../../../ts/objects/reading.js'
import type { Session } from '../../../ts/objects/session.js'
import { KIND, Reference } from '../../../ts/objects/values.js'

/** A value: a container has a reference, and how many are in it. */
export interface Shown {
  readonly text: string
  readonly type: string
  readonly of?: string
  readonly size?: number
}

/** How much of a value a line shows, and how many of an object's fields. */
const [LENGTH, FIELDS] = [200, 5]

const WORDS: Readonly<Record<number, string>> = { [KIND.map]: 'Map', [KIND.set]: 'Set', [KIND.sortedMap]: 'SortedMap', [KIND.array]: 'Array' }

/** A value as a line shows it. */
export function shown(session: Session, value: unknown): Shown {
  if (!(value instanceof Reference)) return { text: textOf(value, LENGTH), type: typeOf(value) }
  const { kind, id } = value
  const of = `${kind}.${id}`
  const word = WORDS[kind]
  if (word) return { text: word, type: 'container', of, size: readHeader(session, id).size }
  const { header, shape } = readShaped(session, id)
  const text = shape.className ?? 'Object'
  if (header.isDictionary) return { text, type: 'container', of, size: header.size }
  return { text: `${text} ${fieldsOf(session, value)}`, type: 'container', of, size: shape.names.length }
}

/** The first fields of an object. */
function fieldsOf(session: Session, reference: Reference): string {
  const fields = [...contentsOf(session, reference)]
  const some = fields.slice(0, FIELDS).map(([name, value]) => `${name as string}: ${value instanceof Reference ? '{}' : textOf(value, 40)}`)
  if (fields.length > FIELDS) some.push('...')
  return some.length === 0 ? '{}' : `{ ${some.join(', ')} }`
}

/** A value that is no container, in at most about so many characters. */
export function textOf(value: unknown, length: number): string {
  return inspect(value, { maxStringLength: length, maxArrayLength: Math.ceil(length / 5), breakLength: Infinity })
}

function typeOf(value: unknown): string {
  if (typeof value !== 'object') return typeof value
  return value === null ? 'null' : Object.prototype.toString.call(value).slice(8, -1)
}

/** The container that the page names. */
export function referenceOf(text: string): Reference {
  const [kind, id] = text.split('.').map(Number) as [number, number]
  return new Reference(kind as Reference['kind'], id)
}
