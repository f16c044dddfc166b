import { wrongType } from '../shared/errors.js'
import { COMMAND, startCommand } from './commands.js'
import { type ValuesOf, firstOf, iterate, pickEntry, pickKey, pickValue } from './iterators.js'
import { EntryCursor, Keyed } from './keyed.js'
import { containerOf, keepLive } from './live.js'
import { closedProxy } from './proxies.js'
import type { Session } from './session.js'
import { type Glance, pickShown } from './show.js'
import { stepTo } from './steps.js'
import { Storing, storeAll } from './storing.js'
import { KIND } from './values.js'

/** A Map that is stored, with calls for many entries at once. */
export interface StoredMap<K, V> extends Map<K, V> {
  /** The value of a key; where there is none, the given one becomes it. */
  getOrInsert(key: K, value: V): V
  /** The value of a key; where there is none, what `callback` returns becomes it. Other threads wait meanwhile. */
  getOrInsertComputed(key: K, callback: (key: K) => V): V
  /** Sets all of these entries, or none. */
  setMany(entries: Iterable<readonly [K, V]>): this
  /** The values of these keys, in their order; undefined for those that are not there. */
  getMany(keys: Iterable<K>): (V | undefined)[]
}

/** A container of a map. */
class MapContainer extends Keyed {
  override glance(most: number): Glance {
    return { plain: new Map(firstOf(new EntryCursor(this), pickShown, most)), size: this.size }
  }
}

const ABSENT = Symbol('absent')

function of(object: unknown, method: string): Keyed {
  return containerOf(object, MapContainer, `Map.prototype.${method}`)
}

/** The methods of stored maps. None is made by the constructor. */
class LiveMap<K, V> extends Map<K, V> implements StoredMap<K, V> {
  override get size(): number {
    return of(this, 'size').size
  }

  override get(key: K): V | undefined {
    return of(this, 'get').get(key, undefined) as V | undefined
  }

  override has(key: K): boolean {
    return of(this, 'has').has(key)
  }

  override set(key: K, value: V): this {
    of(this, 'set').set(key, value)
    return this
  }

  override delete(key: K): boolean {
    return of(this, 'delete').delete(key)
  }

  override clear(): void {
    of(this, 'clear').clear()
  }

  override entries(): ValuesOf<[K, V]> {
    return iterate(new EntryCursor(of(this, 'entries')), pickEntry) as ValuesOf<[K, V]>
  }

  override keys(): ValuesOf<K> {
    return iterate(new EntryCursor(of(this, 'keys')), pickKey) as ValuesOf<K>
  }

  override values(): ValuesOf<V> {
    return iterate(new EntryCursor(of(this, 'values')), pickValue) as ValuesOf<V>
  }

  override forEach(callback: (value: V, key: K, map: Map<K, V>) => void, thisArgument?: unknown): void {
    const cursor = new EntryCursor(of(this, 'forEach'))
    if (typeof callback !== 'function') throw wrongType('callback', 'a function', callback)
    while (cursor.next()) callback.call(thisArgument, cursor.value as V, cursor.key as K, this)
  }

  getOrInsert(key: K, value: V): V {
    of(this, 'getOrInsert')
    return this.getOrInsertComputed(key, () => value)
  }

  getOrInsertComputed(key: K, callback: (key: K) => V): V {
    const container = of(this, 'getOrInsertComputed')
    if (typeof callback !== 'function') throw wrongType('callback', 'a function', callback)
    const found = container.get(key, ABSENT)
    if (found !== ABSENT) return found as V
    return container.session.together(() => {
      // Another thread may have come before, and none comes between. -0 is 0.
      if (!container.has(key)) container.set(key, callback(key === 0 ? (0 as K) : key))
      return container.get(key, undefined) as V
    })
  }

  setMany(entries: Iterable<readonly [K, V]>): this {
    const container = of(this, 'setMany')
    container.touch()
    const all = [...entries]
    const storing = new Storing(container.session)
    for (const [key, value] of all) {
      const place = { container, step: stepTo(key) }
      storing.addKey(key, place)
      storing.add(value, place)
    }
    storeAll(container.session, storing, () => {
      for (const [key, value] of all) {
        startCommand(COMMAND.mapSet, container.id)
        storing.write(key, true)
        storing.write(value)
      }
    })
    container.change()
    return this
  }

  getMany(keys: Iterable<K>): (V | undefined)[] {
    return Array.from(keys, (key) => this.get(key))
  }
}

const { prototype } = LiveMap
Reflect.deleteProperty(prototype, 'constructor')
Object.defineProperty(prototype, Symbol.iterator, { value: prototype.entries, configurable: true, writable: true })

/** The live object of a map that has none yet. */
export function newMap(session: Session, id: number): object {
  const container = new MapContainer(session, KIND.map, id)
  return keepLive(container, closedProxy(prototype, container, 'Map'))
}
