/** What the specs of persistent collections share: cases that run over plain collections and over their persistent twins. */

import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { objects as typed } from 'pmem'
import { folder } from './files.js'
import { formOf } from './forms.js'

export interface TwinMap<K, V> extends Map<K, V> {
  getOrInsert(key: K, value: V): V
  getOrInsertComputed(key: K, compute: (key: K) => V): V
}

export interface SetLike<T> {
  readonly size: number
  has(value: T): boolean
  keys(): Iterator<T>
}

export interface TwinSet<T> extends Set<T> {
  union<U>(other: SetLike<U>): Set<T | U>
  intersection<U>(other: SetLike<U>): Set<T & U>
  difference(other: SetLike<unknown>): Set<T>
  symmetricDifference<U>(other: SetLike<U>): Set<T | U>
  isSubsetOf(other: SetLike<unknown>): boolean
  isSupersetOf(other: SetLike<unknown>): boolean
  isDisjointFrom(other: SetLike<unknown>): boolean
}

type Entries<K, V> = Iterable<readonly [K, V]> | null
type Fields = Record<string, any>

/** What a case makes its collections with. */
export interface Make {
  readonly isPersistent: boolean
  map<K = any, V = any>(entries?: Entries<K, V>): TwinMap<K, V>
  set<T = any>(values?: Iterable<T> | null): TwinSet<T>
  array<T = any>(values?: Iterable<T>): T[]
  object<T extends object = Fields>(fields?: T): T
  /** Keeps plain values that have to be the same in each twin. */
  note(...values: unknown[]): void
}

/** What the specs use of a store. */
export interface Store {
  root: any
  map<K = any, V = any>(entries?: Entries<K, V>): TwinMap<K, V>
  set<T = any>(values?: Iterable<T> | null): TwinSet<T>
  array<T = any>(values?: Iterable<T>): T[]
  object<T extends object = Fields>(fields: T): T
  transaction<R>(work: () => R): R
  sortedMap<K = any, V = any>(entries?: Entries<K, V>): Map<K, V>
  snapshot(): { readonly root: any; close(): void }
  close(): void
}

interface Objects {
  open(path: string, options?: { readonly root?: () => unknown; readonly classes?: Record<string, unknown>; readonly create?: boolean }): Store
  isPersistent(value: unknown): boolean
  toPlain<T>(value: T): T
  readonly Persistent: new () => any
}

/** The module without the types of what is stored: that is of all kinds here. */
export const objects = typed as unknown as Objects

/** Makes a store whose root is an empty map; it is closed after the test. */
export function made(t: ExecutionContext, path = join(folder(t), 'store')): Store {
  const store = objects.open(path, { root: () => new Map() })
  t.teardown(() => store.close())
  return store
}

/** Opens a store that is there; it is closed after the test. */
function opened(t: ExecutionContext, path: string): Store {
  const store = objects.open(path, { create: false })
  t.teardown(() => store.close())
  return store
}

/** A store that can be closed and opened again. */
export interface Stored {
  readonly store: Store
  /** The root, in a plain copy, of now. */
  plainRoot(): any
  /** Closes the store and opens it again; the new root. */
  reopen(): any
  /** Checks the root, and once more when the store was opened again. */
  twice(check: (root: any) => void): void
}

/** A case for persistent collections alone. */
export function persistent(title: string, body: (t: ExecutionContext, store: Store, stored: Stored) => void | Promise<void>): void {
  test(title, async (t) => {
    const path = join(folder(t), 'store')
    let store = made(t, path)
    const reopen = () => {
      store.close()
      store = opened(t, path)
      return store.root
    }
    await body(t, store, {
      get store() {
        return store
      },
      plainRoot: () => objects.toPlain(store.root),
      reopen,
      twice: (check) => {
        check(store.root)
        check(reopen())
      },
    })
  })
}

/** A case for plain collections alone: what persistent ones do otherwise. */
export function plain(title: string, body: (t: ExecutionContext, make: Make) => void): void {
  test(`plain: ${title}`, (t) => body(t, new PlainMake()))
}

type Case = (t: ExecutionContext, make: Make) => void

/**
 * A case over plain collections, over persistent ones, and over persistent ones in one transaction. What it made and noted is
 * the same in each of them, also when the store is opened again.
 */
export function twins(title: string, body: Case): void {
  plain(title, body)
  test(`persistent: ${title}`, (t) => runOverTwins(t, body, (_, work) => work()))
  test(`persistent, in a transaction: ${title}`, (t) => runOverTwins(t, body, (store, work) => store.transaction(work)))
}

function runOverTwins(t: ExecutionContext, body: Case, run: (store: Store, work: () => void) => void): void {
  const expected = new PlainMake()
  body(t, expected)
  const path = join(folder(t), 'store')
  const store = made(t, path)
  const make = new PersistentMake(store)
  run(store, () => {
    body(t, make)
  })
  t.deepEqual(make.notes, expected.notes)
  for (const [index, container] of make.made.entries()) store.root.set(index, container)
  const form = formOf(new Map(expected.made.entries()))
  const check = (root: unknown, when: string) => {
    t.deepEqual(formOf(root), form, when)
    t.deepEqual(formOf(objects.toPlain(root)), form, `${when}, its plain copy`)
  }
  check(store.root, 'at the end')
  t.throws(() => store.transaction(() => failAfterEmptying(store, expected.made)), { message: 'taken back' })
  check(store.root, 'after a transaction that failed')
  store.close()
  check(opened(t, path).root, 'opened again')
}

/** Empties the containers that are like these, by what each of them has for it, and throws. */
function failAfterEmptying({ root }: Store, plain: readonly object[]): never {
  for (const [index, like] of plain.entries()) {
    const container = root.get(index)
    if (Array.isArray(like)) container.length = 0
    else if (like instanceof Map || like instanceof Set) container.clear()
    else for (const name of Object.keys(container)) delete container[name]
  }
  throw new Error('taken back')
}

/** A table of cases whose results, and what they made, are the same over persistent collections as over plain ones. */
export function alike(title: string, body: (make: Make) => unknown): void {
  const noting: Case = (_, make) => make.note(body(make))
  test(`persistent: ${title}`, (t) => runOverTwins(t, noting, (_, work) => work()))
  test(`persistent, in a transaction: ${title}`, (t) => runOverTwins(t, noting, (store, work) => store.transaction(work)))
}

/** What a call gives, or the name of what it throws. */
export function outcome(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    return `throws a ${(error as Error).name}`
  }
}

abstract class Maker {
  /** In the order in which they were made. */
  readonly made: object[] = []
  readonly notes: unknown[] = []

  note(...values: unknown[]): void {
    this.notes.push(...values)
  }

  protected keep<T extends object>(container: T): T {
    this.made.push(container)
    return container
  }
}

class PlainMake extends Maker implements Make {
  readonly isPersistent = false

  map<K, V>(entries?: Entries<K, V>): TwinMap<K, V> {
    return this.keep(new PlainMap(entries))
  }

  set<T>(values?: Iterable<T> | null): TwinSet<T> {
    return this.keep(new PlainSet(values))
  }

  array<T>(values: Iterable<T> = []): T[] {
    return this.keep([...values])
  }

  object<T extends object>(fields?: T): T {
    return this.keep({ ...fields } as T)
  }
}

class PersistentMake extends Maker implements Make {
  readonly isPersistent = true
  readonly #store: Store

  constructor(store: Store) {
    super()
    this.#store = store
  }

  map<K, V>(entries?: Entries<K, V>): TwinMap<K, V> {
    return this.keep(this.#store.map(entries))
  }

  set<T>(values?: Iterable<T> | null): TwinSet<T> {
    return this.keep(this.#store.set(values))
  }

  array<T>(values?: Iterable<T>): T[] {
    return this.keep(this.#store.array(values))
  }

  object<T extends object>(fields = {} as T): T {
    return this.keep(this.#store.object(fields))
  }
}

/** What an iterable gives. */
export function listed<T>(iterable: Iterable<T>): T[] {
  return [...iterable]
}

/** Maps as ECMA-262 has them where this runtime's lack something. */
class ReferenceMap<K, V> extends Map<K, V> implements TwinMap<K, V> {
  getOrInsert(key: K, value: V): V {
    if (!this.has(key)) this.set(key, value)
    return this.get(key)!
  }

  getOrInsertComputed(key: K, compute: (this: void, key: K) => V): V {
    if (typeof compute !== 'function') throw new TypeError(`${String(compute)} is not a function`)
    if (this.has(key)) return this.get(key)!
    const value = compute(key === 0 ? (0 as K) : key)
    this.set(key, value)
    return value
  }
}

/** Sets as ECMA-262 has them where this runtime's lack something. */
class ReferenceSet<T> extends Set<T> implements TwinSet<T> {
  union<U>(other: SetLike<U>): Set<T | U> {
    const walk = recordOf(other).keys()
    const result = new Set<T | U>(this)
    for (const value of walk) result.add(value)
    return result
  }

  intersection<U>(other: SetLike<U>): Set<T & U> {
    const { size, has, keys } = recordOf(other)
    const result = new Set<T & U>()
    if (this.size <= size) {
      for (const value of this) if (has(value)) result.add(value as T & U)
    } else {
      for (const value of keys()) if (this.has(value as any)) result.add(value as T & U)
    }
    return result
  }

  difference(other: SetLike<unknown>): Set<T> {
    const { size, has, keys } = recordOf(other)
    const result = new Set<T>(this)
    if (this.size <= size) {
      for (const value of this) if (has(value)) result.delete(value)
    } else {
      for (const value of keys()) result.delete(value as T)
    }
    return result
  }

  symmetricDifference<U>(other: SetLike<U>): Set<T | U> {
    const walk = recordOf(other).keys()
    const result = new Set<T | U>(this)
    for (const value of walk) {
      if (this.has(value as any)) result.delete(value)
      else result.add(value)
    }
    return result
  }

  isSubsetOf(other: SetLike<unknown>): boolean {
    const { size, has } = recordOf(other)
    if (this.size > size) return false
    for (const value of this) if (!has(value)) return false
    return true
  }

  isSupersetOf(other: SetLike<unknown>): boolean {
    const { size, keys } = recordOf(other)
    if (this.size < size) return false
    for (const value of keys()) if (!this.has(value as T)) return false
    return true
  }

  isDisjointFrom(other: SetLike<unknown>): boolean {
    const { size, has, keys } = recordOf(other)
    if (this.size <= size) {
      for (const value of this) if (has(value)) return false
    } else {
      for (const value of keys()) if (this.has(value as T)) return false
    }
    return true
  }
}

/** The other set of an operation, its properties read once and in their order. */
function recordOf(other: any): { size: number; has: (value: unknown) => boolean; keys: () => Iterable<any> } {
  if (Object(other) !== other) throw new TypeError(`${String(other)} is no set`)
  const size = Math.trunc(+other.size)
  if (Number.isNaN(size)) throw new TypeError('its size is no number')
  if (size < 0) throw new RangeError('its size is negative')
  const { has } = other
  if (typeof has !== 'function') throw new TypeError('it has no function "has"')
  const { keys } = other
  if (typeof keys !== 'function') throw new TypeError('it has no function "keys"')
  return {
    size,
    has: (value) => Boolean(has.call(other, value)),
    keys: () => {
      const iterator = keys.call(other)
      if (Object(iterator) !== iterator) throw new TypeError('its keys are no iterator')
      const { next } = iterator
      return {
        [Symbol.iterator]: () => ({ next: () => next.call(iterator), return: () => iterator.return?.() ?? {} }) as Iterator<unknown>,
      }
    },
  }
}

const PlainMap = ('getOrInsert' in Map.prototype ? Map : ReferenceMap) as new <K, V>(entries?: Entries<K, V>) => TwinMap<K, V>
const PlainSet = ('union' in Set.prototype ? Set : ReferenceSet) as unknown as new <T>(values?: Iterable<T> | null) => TwinSet<T>
