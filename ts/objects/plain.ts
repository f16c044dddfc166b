import { types } from 'node:util'
import { contentsOf } from './contents.js'
import { type Session, containers } from './session.js'
import type { SortedKey } from './sorted-keys.js'
import type { SortedMap } from './sorted-map.js'
import { Draft } from './storing.js'
import { KIND, type Kind, Reference } from './values.js'

/** What {@link toPlain} makes of a value: a Map of a sorted map, and otherwise the same. */
export type Plain<T> = T extends SortedMap<infer K extends SortedKey, infer V> ? Map<K, Plain<V>> : T

/**
 * A deep copy of a live object that has nothing to do with the store: Maps, Sets, arrays and plain objects; a sorted map becomes a
 * Map in its order, an instance a plain object. What is in it several times, or in itself, is so in the copy. Every other value
 * comes back as it is.
 */
export function toPlain<T>(value: T): Plain<T> {
  const container = containers.get(value as object)
  if (!container) return value as Plain<T>
  if (container instanceof Draft && container.id === 0) return new DraftCopies().of(value) as Plain<T>
  container.look()
  return new Copies(container.session).of(new Reference(container.kind, container.id)) as Plain<T>
}

/** Copies of containers, by id: first empty ones, which are filled one after the other. */
class Copies {
  readonly #session: Session
  readonly #copies = new Map<number, object>()
  readonly #empty: [Reference, object][] = []

  constructor(session: Session) {
    this.#session = session
  }

  of(reference: Reference): object {
    const copy = this.#copy(reference)
    for (let next = this.#empty.pop(); next; next = this.#empty.pop()) this.#fill(...next)
    return copy
  }

  #copy(reference: Reference): object {
    const known = this.#copies.get(reference.id)
    if (known) return known
    const copy = emptyOf(reference.kind)
    this.#copies.set(reference.id, copy)
    this.#empty.push([reference, copy])
    return copy
  }

  #fill(reference: Reference, copy: object): void {
    for (const [key, value] of contentsOf(this.#session, reference)) put(copy, this.#plain(key), this.#plain(value))
  }

  #plain(value: unknown): unknown {
    return value instanceof Reference ? this.#copy(value) : value
  }
}

/** Copies of what is in an instance that is not stored yet, by what was copied. */
class DraftCopies {
  readonly #copies = new Map<unknown, unknown>()

  of(value: unknown): unknown {
    if (typeof value !== 'object' || value === null) return value
    if (!this.#copies.has(value)) this.#copy(value)
    return this.#copies.get(value)
  }

  #copy(value: object): void {
    const container = containers.get(value)
    if (container instanceof Draft && container.id === 0) this.#fill(value, {}, container.draftFields())
    else if (container) this.#copies.set(value, toPlain(value))
    else if (types.isMap(value)) this.#fill(value, new Map(), value)
    else if (types.isSet(value)) this.#fill(value, new Set(), value.entries())
    else if (Array.isArray(value)) this.#fill(value, [], value.entries())
    else if (types.isDate(value)) this.#copies.set(value, new Date(value))
    else if (Object.prototype.toString.call(value) === '[object Object]') this.#fill(value, {}, Object.entries(value))
    else this.#copies.set(value, value)
  }

  #fill(value: object, copy: object, entries: Iterable<readonly [unknown, unknown]>): void {
    this.#copies.set(value, copy)
    for (const [key, part] of entries) put(copy, this.of(key), this.of(part))
  }
}

function emptyOf(kind: Kind): object {
  if (kind === KIND.array) return []
  if (kind === KIND.set) return new Set()
  return kind === KIND.map || kind === KIND.sortedMap ? new Map() : {}
}

function put(copy: object, key: unknown, value: unknown): void {
  if (copy instanceof Map) copy.set(key, value)
  else if (copy instanceof Set) copy.add(key)
  else if (Array.isArray(copy)) copy.push(value)
  else Object.defineProperty(copy, key as string, { value, writable: true, enumerable: true, configurable: true })
}
