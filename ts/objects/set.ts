import { wrongType } from '../shared/errors.js'
import { firstOf, iterate, pickEntry, pickKey } from './iterators.js'
import { EntryCursor, Keyed } from './keyed.js'
import { containerOf, keepLive } from './live.js'
import { closedProxy } from './proxies.js'
import type { Session } from './session.js'
import { type Glance, pickShownKey } from './show.js'
import { KIND } from './values.js'

/** A container of a set. */
class SetContainer extends Keyed {
  override glance(most: number): Glance {
    return { plain: new Set(firstOf(new EntryCursor(this), pickShownKey, most)), size: this.size }
  }
}

function of(object: unknown, method: string): Keyed {
  return containerOf(object, SetContainer, `Set.prototype.${method}`)
}

/** What set methods take: a Set, a Map, or what is like them. */
interface SetLike<T> {
  readonly size: number
  has(value: T): boolean
  keys(): Iterator<T>
}

interface SetRecord<T> {
  readonly size: number
  has(value: T): boolean
  keys(): Iterable<T>
}

/** As ECMA-262 takes the argument of a set method. */
function recordOf<T>(other: SetLike<T>): SetRecord<T> {
  if ((typeof other !== 'object' && typeof other !== 'function') || other === null) throw wrongType('other', 'a Set, a Map or an object like them', other)
  // Unlike Number, this refuses bigints.
  const size = +other.size
  if (Number.isNaN(size)) throw wrongType('other', 'an object with a size', other)
  if (Math.trunc(size) < 0) throw new RangeError('the size of "other" is negative')
  const { has, keys } = other
  if (typeof has !== 'function') throw wrongType('other.has', 'a function', has)
  if (typeof keys !== 'function') throw wrongType('other.keys', 'a function', keys)
  return {
    size: Math.trunc(size),
    has: (value) => Boolean(has.call(other, value)),
    keys() {
      const iterator = keys.call(other)
      if (typeof iterator !== 'object' || iterator === null) throw wrongType('other.keys()', 'an iterator', iterator)
      const { next } = iterator
      return {
        [Symbol.iterator]: () => ({
          next: () => next.call(iterator),
          return(value?: unknown) {
            iterator.return?.()
            return { value, done: true } as IteratorResult<T>
          },
        }),
      }
    },
  }
}

/** The methods of stored sets. None is made by the constructor. */
class LiveSet<T> extends Set<T> {
  override get size(): number {
    return of(this, 'size').size
  }

  override has(value: T): boolean {
    return of(this, 'has').has(value)
  }

  override add(value: T): this {
    of(this, 'add').set(value, undefined)
    return this
  }

  override delete(value: T): boolean {
    return of(this, 'delete').delete(value)
  }

  override clear(): void {
    of(this, 'clear').clear()
  }

  override entries(): ReturnType<Set<T>['entries']> {
    return iterate(new EntryCursor(of(this, 'entries')), pickEntry) as unknown as ReturnType<Set<T>['entries']>
  }

  override values(): ReturnType<Set<T>['values']> {
    return iterate(new EntryCursor(of(this, 'values')), pickKey) as unknown as ReturnType<Set<T>['values']>
  }

  override forEach(callback: (value: T, key: T, set: Set<T>) => void, thisArgument?: unknown): void {
    const cursor = new EntryCursor(of(this, 'forEach'))
    if (typeof callback !== 'function') throw wrongType('callback', 'a function', callback)
    while (cursor.next()) callback.call(thisArgument, cursor.key as T, cursor.key as T, this)
  }

  union<U>(other: SetLike<U>): Set<T | U> {
    of(this, 'union')
    const { keys } = recordOf(other)
    const result = new Set<T | U>()
    const others = keys()
    for (const value of this.values()) result.add(value)
    for (const value of others) result.add(value)
    return result
  }

  intersection<U>(other: SetLike<U>): Set<T & U> {
    const { size } = of(this, 'intersection')
    const record = recordOf(other)
    const result = new Set<T & U>()
    if (size <= record.size) {
      for (const value of this.values()) if (record.has(value as T & U)) result.add(value as T & U)
    } else {
      for (const value of record.keys()) if (this.has(value as T & U)) result.add(value as T & U)
    }
    return result
  }

  difference<U>(other: SetLike<U>): Set<T> {
    const { size } = of(this, 'difference')
    const record = recordOf(other)
    const result = new Set(this.values())
    if (size <= record.size) {
      for (const value of this.values()) if (record.has(value as T & U)) result.delete(value)
    } else {
      for (const value of record.keys()) result.delete(value as T & U)
    }
    return result
  }

  symmetricDifference<U>(other: SetLike<U>): Set<T | U> {
    of(this, 'symmetricDifference')
    const { keys } = recordOf(other)
    const others = keys()
    const result = new Set<T | U>(this.values())
    for (const value of others) {
      if (this.has(value as T & U)) result.delete(value)
      else result.add(value)
    }
    return result
  }

  isSubsetOf(other: SetLike<unknown>): boolean {
    const { size } = of(this, 'isSubsetOf')
    const record = recordOf(other)
    if (size > record.size) return false
    for (const value of this.values()) if (!record.has(value)) return false
    return true
  }

  isSupersetOf(other: SetLike<unknown>): boolean {
    const { size } = of(this, 'isSupersetOf')
    const record = recordOf(other)
    if (size < record.size) return false
    for (const value of record.keys()) if (!this.has(value as T)) return false
    return true
  }

  isDisjointFrom(other: SetLike<unknown>): boolean {
    const { size } = of(this, 'isDisjointFrom')
    const record = recordOf(other)
    if (size <= record.size) {
      for (const value of this.values()) if (record.has(value)) return false
    } else {
      for (const value of record.keys()) if (this.has(value as T)) return false
    }
    return true
  }
}

const { prototype } = LiveSet
Reflect.deleteProperty(prototype, 'constructor')
for (const name of ['keys', Symbol.iterator]) Object.defineProperty(prototype, name, { value: prototype.values, configurable: true, writable: true })

/** The live object of a set that has none yet. */
export function newSet(session: Session, id: number): object {
  const container = new SetContainer(session, KIND.set, id)
  return keepLive(container, closedProxy(prototype, container, 'Set'))
}
