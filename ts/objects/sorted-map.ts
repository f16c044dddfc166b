import { wrongType } from '../shared/errors.js'
import { type Names, toOptions } from '../shared/options.js'
import { toBoolean, toInteger } from '../shared/arguments.js'
import { Ahead } from './ahead.js'
import * as calls from './calls.js'
import { COMMAND, startCommand } from './commands.js'
import { type Steps, type ValuesOf, firstOf, iterate, pickEntry, pickKey, pickValue } from './iterators.js'
import { containerOf, keepLive, revive } from './live.js'
import { closedProxy } from './proxies.js'
import { type Bound, readRange } from './reading.js'
import type { Session } from './session.js'
import { type Glance, pickShown } from './show.js'
import { Sized } from './sized.js'
import { type SortedKey, checkSortedKey, writeCounted, writeSortedKey } from './sorted-keys.js'
import { stepTo } from './steps.js'
import { Storing, storeAll } from './storing.js'
import { KIND, out } from './values.js'

/** A key, or what a tuple begins with: that comes before all tuples that begin with it. */
export type RangeBound<K> = K | (K extends readonly [...infer First, unknown] ? (First extends readonly [] ? never : RangeBound<First>) : never)

/** What part of a sorted map is read. */
export interface RangeOptions<K extends SortedKey = SortedKey> {
  /** The least key. */
  from?: RangeBound<K>
  /** A key that all are greater than. */
  after?: RangeBound<K>
  /** A key that all are less than. */
  to?: RangeBound<K>
  /**
   * The greatest key. Longer tuples that begin with it are greater: all numbers of one are up to `through: ['open', Infinity]`, and
   * whatever follows it `to: ['open\0']`.
   */
  through?: RangeBound<K>
  /** From the greatest key to the least. Default: false. */
  reverse?: boolean
  /** How many entries at most. */
  limit?: number
}

const RANGE_OPTIONS: Names<RangeOptions> = { from: true, after: true, to: true, through: true, reverse: true, limit: true }

/** The entries of a sorted map. */
class SortedContainer extends Sized {
  override glance(most: number): Glance {
    return { plain: new Map(firstOf(new RangeCursor(this, {}), pickShown, most)), size: this.size }
  }

  get(key: SortedKey): { value: unknown } | undefined {
    this.look()
    writeSortedKey(out.clear(), key)
    const reader = calls.sortedGet(this.session.handle(), this.id, out)
    return reader && { value: revive(this.session, reader.value()) }
  }

  setMany(entries: readonly (readonly [SortedKey, unknown])[]): void {
    this.touch()
    if (entries.length === 0) return
    const storing = new Storing(this.session)
    for (const [key, value] of entries) storing.add(value, { container: this, step: stepTo(key) })
    storeAll(this.session, storing, () => {
      for (const [key, value] of entries) {
        startCommand(COMMAND.sortedSet, this.id)
        writeCounted(key)
        storing.write(value)
      }
    })
    this.version += 1
    this.changed(calls.applied())
  }

  delete(key: SortedKey): boolean {
    this.touch()
    startCommand(COMMAND.sortedDelete, (out.clear(), this.id))
    writeCounted(key)
    const wasThere = this.session.apply(out) === 1
    this.changed(calls.applied())
    return wasThere
  }

  clear(): void {
    this.touch()
    startCommand(COMMAND.clear, (out.clear(), this.id))
    this.session.apply(out)
    this.changed(0)
  }
}

/** Goes through a range. */
class RangeCursor implements Steps {
  readonly #container: SortedContainer
  readonly #isReverse: boolean
  #low: Bound | undefined
  #high: Bound | undefined
  #left: number
  #keys: SortedKey[] = []
  #values: unknown[] = []
  #index = 0
  readonly #ahead = new Ahead()
  #isOver = false
  #value: unknown
  key: unknown

  constructor(container: SortedContainer, options: RangeOptions) {
    const { from, after, to, through, reverse = false, limit } = options
    if (from !== undefined && after !== undefined) throw wrongType('options.after', 'absent where there is "from"', after)
    if (to !== undefined && through !== undefined) throw wrongType('options.through', 'absent where there is "to"', through)
    this.#container = container
    this.#isReverse = toBoolean('reverse', reverse)
    this.#low = toBound(from, after)
    this.#high = toBound(through, to)
    this.#left = limit === undefined ? Infinity : toInteger('limit', limit)
  }

  get value(): unknown {
    return revive(this.#container.session, this.#value)
  }

  next(): boolean {
    if (this.#isOver || this.#left === 0) return false
    const container = this.#container
    container.look()
    const isSame = this.#ahead.isCurrent(container)
    if (!isSame || this.#index === this.#keys.length) this.#fetch(isSame)
    const index = this.#index
    if (index === this.#keys.length) {
      this.#isOver = true
      return false
    }
    this.#index += 1
    this.#left -= 1
    this.key = this.#keys[index]
    this.#value = this.#values[index]
    return true
  }

  #fetch(isSame: boolean): void {
    const { session, id } = this.#container
    const most = Math.min(this.#ahead.next(this.#container, isSame), this.#left)
    // What follows lies behind the last key.
    const last = this.key === undefined ? undefined : { key: this.key as SortedKey, isOut: true }
    if (this.#isReverse) this.#high = last ?? this.#high
    else this.#low = last ?? this.#low
    const { keys, values } = readRange(session, id, this.#isReverse, this.#low, this.#high, most)
    this.#index = 0
    this.#keys = keys
    this.#values = values
  }
}

/** A bound of a range, of which `without` is the one that does not belong to it. */
function toBound(within: SortedKey | undefined, without: SortedKey | undefined): Bound | undefined {
  const key = within ?? without
  if (key === undefined) return undefined
  checkSortedKey(key)
  return { key: typeof key === 'object' ? [...key] : key, isOut: within === undefined }
}

function of(object: unknown, method: string): SortedContainer {
  return containerOf(object, SortedContainer, `SortedMap.prototype.${method}`)
}

/**
 * A map in the order of its keys, which are numbers, bigints, strings by their UTF-16 units, and arrays of them, in this order: tuples
 * such as `[status, id]` make an index. A store's `sortedMap` makes it.
 */
export class SortedMap<K extends SortedKey = SortedKey, V = unknown> implements Map<K, V> {
  private constructor() {
    throw new TypeError('SortedMap has no constructor: store.sortedMap makes it')
  }

  /** How many entries there are. */
  get size(): number {
    return of(this, 'size').size
  }

  /** The value of a key; undefined where there is none. */
  get(key: K): V | undefined {
    return of(this, 'get').get(key)?.value as V | undefined
  }

  /** Whether there is a key. */
  has(key: K): boolean {
    return of(this, 'has').get(key) !== undefined
  }

  /** Sets the value of a key. */
  set(key: K, value: V): this {
    of(this, 'set').setMany([[key, value]])
    return this
  }

  /** The value of a key; where there is none, the given one becomes it. */
  getOrInsert(key: K, value: V): V {
    return this.getOrInsertComputed(key, () => value)
  }

  /** The value of a key; where there is none, what `callback` returns becomes it. Other threads wait meanwhile. */
  getOrInsertComputed(key: K, callback: (key: K) => V): V {
    const container = of(this, 'getOrInsertComputed')
    if (typeof callback !== 'function') throw wrongType('callback', 'a function', callback)
    const found = container.get(key)
    if (found) return found.value as V
    return container.session.together(() => {
      // Another thread may have come before, and none comes between.
      if (!container.get(key)) container.setMany([[key, callback(key)]])
      return container.get(key)!.value as V
    })
  }

  /** Sets all of these entries, or none. */
  setMany(entries: Iterable<readonly [K, V]>): this {
    of(this, 'setMany').setMany([...entries])
    return this
  }

  /** The values of these keys, in their order; undefined for those that are not there. */
  getMany(keys: Iterable<K>): (V | undefined)[] {
    return Array.from(keys, (key) => this.get(key))
  }

  /** Removes a key. Returns whether it was there. */
  delete(key: K): boolean {
    return of(this, 'delete').delete(key)
  }

  /** Removes all entries. */
  clear(): void {
    of(this, 'clear').clear()
  }

  /** The entries whose keys lie in a range, in their order; all of them without options. */
  range(options?: RangeOptions<K>): ValuesOf<[K, V]> {
    const container = of(this, 'range')
    container.look()
    return iterate(new RangeCursor(container, toOptions<RangeOptions>(options, RANGE_OPTIONS)), pickEntry) as ValuesOf<[K, V]>
  }

  /** The entry with the least key; undefined where there is none. */
  first(): [K, V] | undefined {
    return firstOf(new RangeCursor(of(this, 'first'), {}), pickEntry, 1)[0] as [K, V] | undefined
  }

  /** The entry with the greatest key; undefined where there is none. */
  last(): [K, V] | undefined {
    return firstOf(new RangeCursor(of(this, 'last'), { reverse: true }), pickEntry, 1)[0] as [K, V] | undefined
  }

  entries(): ValuesOf<[K, V]> {
    return iterate(new RangeCursor(of(this, 'entries'), {}), pickEntry) as ValuesOf<[K, V]>
  }

  keys(): ValuesOf<K> {
    return iterate(new RangeCursor(of(this, 'keys'), {}), pickKey) as ValuesOf<K>
  }

  values(): ValuesOf<V> {
    return iterate(new RangeCursor(of(this, 'values'), {}), pickValue) as ValuesOf<V>
  }

  forEach(callback: (value: V, key: K, map: Map<K, V>) => void, thisArgument?: unknown): void {
    const cursor = new RangeCursor(of(this, 'forEach'), {})
    if (typeof callback !== 'function') throw wrongType('callback', 'a function', callback)
    while (cursor.next()) callback.call(thisArgument, cursor.value as V, cursor.key as K, this)
  }

  declare [Symbol.iterator]: () => ValuesOf<[K, V]>

  get [Symbol.toStringTag](): string {
    return 'SortedMap'
  }
}

Object.defineProperty(SortedMap.prototype, Symbol.iterator, { value: SortedMap.prototype.entries, configurable: true, writable: true })

/** The live object of a sorted map that has none yet. */
export function newSortedMap(session: Session, id: number): object {
  const container = new SortedContainer(session, KIND.sortedMap, id)
  return keepLive(container, closedProxy(SortedMap.prototype as object, container, 'SortedMap'))
}
