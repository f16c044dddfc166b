import { contentsOf } from './contents.js'
import { type Session, containers } from './session.js'
import { Draft } from './storing.js'
import { KIND, type Kind, Reference } from './values.js'

/**
 * A deep copy of a live object that has nothing to do with the store: Maps, Sets, arrays and plain objects; a sorted map becomes a
 * Map in its order, an instance a plain object. What is in it several times, or in itself, is so in the copy. Every other value
 * comes back as it is.
 */
export function toPlain(value: unknown): unknown {
  const container = containers.get(value as object)
  if (!container) return value
  if (container instanceof Draft && container.id === 0) return Object.fromEntries(container.draftFields())
  container.look()
  return new Copies(container.session).of(new Reference(container.kind, container.id))
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
