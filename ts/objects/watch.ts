import { native } from '../shared/native.js'
import { revive } from './live.js'
import type { Container, Session } from './session.js'
import { readSortedKey } from './sorted-keys.js'
import { type Reader, Reference, from } from './values.js'

/** What was changed in a container. */
export interface Change {
  /** The keys, indexes or names at which something was changed; absent where that may have been anywhere. */
  readonly keys?: readonly unknown[]
}

interface Watch {
  readonly container: Container
  readonly callback: (change: Change) => void
}

/** Where something was changed, as the native side numbers it. */
const PLACE = { key: 0, sorted: 1, index: 2, field: 3, last: 4, anywhere: 5 } as const

/** What is in a container that has no key. */
const ANYWHERE = Symbol('anywhere')

/** Those who watch containers of a store. */
export class Watches {
  readonly #session: Session
  readonly #watches = new Map<number, Set<Watch>>()
  #isListening = false

  constructor(session: Session) {
    this.#session = session
  }

  /** Returns the function that ends it. */
  add(container: Container, callback: (change: Change) => void): () => void {
    this.#listen()
    const { id } = container
    const watch = { container, callback }
    const watches = this.#watches.get(id) ?? new Set()
    if (watches.size === 0) native.objectsWatch(this.#session.handle(), id, true)
    this.#watches.set(id, watches.add(watch))
    return () => this.#remove(id, watch)
  }

  #listen(): void {
    if (this.#isListening) return
    this.#isListening = true
    native.objectsOnNews(this.#session.handle(), () => this.#tell())
  }

  #remove(id: number, watch: Watch): void {
    const watches = this.#watches.get(id)
    if (!watches?.delete(watch) || watches.size > 0) return
    this.#watches.delete(id)
    if (!this.#session.closed) native.objectsWatch(this.#session.handle(), id, false)
  }

  #tell(): void {
    if (this.#session.closed) return
    for (const [id, keys] of this.#news()) {
      const change = keys.has(ANYWHERE) ? {} : { keys: [...keys] }
      for (const { callback } of this.#watches.get(id) ?? []) call(callback, change)
    }
  }

  /** The keys of each container at which something was changed. */
  #news(): Map<number, Set<unknown>> {
    const bytes = native.objectsNews(this.#session.handle())
    const places: [number, () => unknown][] = []
    from.read(bytes, bytes.length)
    while (from.at < from.end) places.push([from.id(), placeIn(from, this.#session)])
    const news = new Map<number, Set<unknown>>()
    for (const [id, key] of places) news.set(id, (news.get(id) ?? new Set()).add(key()))
    return news
  }
}

/** What tells where a change was, once nothing is to be read any more. */
function placeIn(reader: Reader, session: Session): () => unknown {
  const place = reader.byte()
  if (place === PLACE.key) {
    const key = reader.value()
    return () => keyOf(session, key)
  }
  if (place === PLACE.sorted) {
    const length = reader.uint32()
    const key = readSortedKey(reader, length)
    return () => key
  }
  if (place === PLACE.index) {
    const index = reader.uint32()
    return () => index
  }
  if (place === PLACE.anywhere) return () => ANYWHERE
  const shape = reader.uint32()
  const index = place === PLACE.field ? reader.uint16() : -1
  return () => session.shapes.of(shape).names.at(index)
}

/** A key, unless it is a container that is gone by now. */
function keyOf(session: Session, key: unknown): unknown {
  if (!(key instanceof Reference)) return key
  try {
    return revive(session, key)
  } catch {
    return ANYWHERE
  }
}

/** What a callback throws is nobody's but the program's. */
function call(callback: (change: Change) => void, change: Change): void {
  try {
    callback(change)
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}
