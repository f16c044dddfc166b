import { wrongType } from '../shared/errors.js'
import { Ahead } from './ahead.js'
import { COMMAND, startCommand, startSplice } from './commands.js'
import { keepLive, revive } from './live.js'
import { Unchangeable, checkName, nothing, targetOf } from './proxies.js'
import { COPIED, readCached, readItems } from './reading.js'
import { type Session, containers } from './session.js'
import { type Glance, shownOf } from './show.js'
import { Sized } from './sized.js'
import { Storing, isPrimitive, store, storeAll } from './storing.js'
import { KIND, out } from './values.js'

/** Where a splice starts that appends, however long the array is by then. */
const END = 2 ** 32 - 1

/** What a command gives where another thread has made the array shorter meanwhile. */
const OUTDATED = -1

/** The items of an array. */
class ArrayContainer extends Sized {
  /** Some of the items, from one on, as long as nothing changes. */
  #window: unknown[] = []
  #start = 0
  readonly #ahead = new Ahead()

  get length(): number {
    return this.size
  }

  override glance(most: number): Glance {
    return { plain: Array.from({ length: Math.min(most, this.length) }, (_, index) => shownOf(() => this.item(index))), size: this.length }
  }

  /** An item; undefined where there is none. */
  item(index: number): unknown {
    const { length } = this
    if (index >= length) return undefined
    const isSame = this.#ahead.isCurrent(this)
    let at = isSame ? index - this.#start : -1
    if (at < 0 || at >= this.#window.length) {
      this.#fetch(index, isSame && at === this.#window.length)
      at = 0
    }
    const value = this.#window[at]
    if (typeof value !== 'object' && typeof value !== 'symbol') return value
    if (value === COPIED) return readItems(this.session, this.id, index, 1)[0]
    return (this.#window[at] = revive(this.session, value))
  }

  /** @param goesOn whether it is the item behind those that were fetched last */
  #fetch(index: number, goesOn: boolean): void {
    this.#window = readItems(this.session, this.id, index, this.#ahead.next(this, goesOn), readCached)
    this.#start = index
  }

  /** All items, each as a reader gets it. */
  items(): unknown[] {
    return Array.from({ length: this.length }, (_, index) => this.item(index))
  }

  set(index: number, value: unknown): void {
    this.touch()
    if (index >= this.length) return this.atomically(() => this.#append(index, value))
    const result = store(this.session, this, `[${index}]`, value, (write) => {
      startCommand(COMMAND.arraySet, this.id)
      out.uint32(index)
      write(value)
    })
    this.change()
    if (result === OUTDATED) this.set(index, value)
  }

  /** Sets what lies behind the end, unless another thread has made the array longer meanwhile. */
  #append(index: number, value: unknown): void {
    const { length } = this
    if (index < length) return this.set(index, value)
    if (index > length) throw new RangeError(`the array has ${length} items, and one at ${index} would leave a gap: stored arrays have none`)
    this.splice(length, 0, [value])
  }

  setLength(value: unknown): void {
    const length = +(value as number)
    if (length >>> 0 !== length) throw new RangeError('Invalid array length')
    this.atomically(() => {
      const before = this.length
      if (length > before) throw new RangeError(`the array has ${before} items, and ${length} would leave gaps: stored arrays have none`)
      if (length < before) this.splice(length, before - length, [])
    })
  }

  /** Removes items and puts others there, which goes by the length of now: in a transaction, or from the start. The length then. */
  splice(start: number, removed: number, values: readonly unknown[]): number {
    this.touch()
    const result = values.every(isPrimitive) ? this.#splicePrimitives(start, removed, values) : this.#spliceAny(start, removed, values)
    this.changed(result)
    return result
  }

  #splicePrimitives(start: number, removed: number, values: readonly unknown[]): number {
    out.clear()
    startSplice(this.id, start, removed, values.length)
    for (const value of values) out.primitive(value)
    return this.session.apply(out)
  }

  #spliceAny(start: number, removed: number, values: readonly unknown[]): number {
    const storing = new Storing(this.session)
    const first = start === END ? this.length : start
    values.forEach((value, index) => storing.add(value, { container: this, step: `[${first + index}]` }))
    return storeAll(this.session, storing, () => {
      startSplice(this.id, start, removed, values.length)
      for (const value of values) storing.write(value)
    })
  }

  push(values: readonly unknown[]): number {
    return this.splice(END, 0, values)
  }

  /** Does what reads and writes, without another thread between. */
  atomically<T>(work: () => T): T {
    this.touch()
    return this.session.atomically(work)
  }
}

type Items = unknown[]

function of(array: Items): ArrayContainer {
  return containers.get(array) as ArrayContainer
}

/** A whole number as the language makes one of a value: unlike Number, it refuses bigints. */
function toWhole(value: unknown): number {
  return Math.trunc(+(value as number)) || 0
}

/** The end of a part of an array, which is the array's where none is said. */
function toEnd(value: unknown): number | undefined {
  return value === undefined ? undefined : toWhole(value)
}

/** The methods that change an array: each is one transaction. All others are those of every array. */
const changing: Record<string, (this: Items, ...args: never[]) => unknown> = {
  push(this: Items, ...values: unknown[]) {
    return of(this).push(values)
  },
  pop(this: Items) {
    const container = of(this)
    return container.atomically(() => take(container, container.length - 1))
  },
  shift(this: Items) {
    const container = of(this)
    return container.atomically(() => take(container, 0))
  },
  unshift(this: Items, ...values: unknown[]) {
    return of(this).splice(0, 0, values)
  },
  splice(this: Items, ...args: [start?: number, removed?: number, ...values: unknown[]]) {
    const container = of(this)
    // What a conversion does is no part of it.
    const numbers = args.slice(0, 2).map(toWhole)
    return container.atomically(() => splice(container, numbers, args.slice(2)))
  },
  sort(this: Items, compare?: (one: unknown, other: unknown) => number) {
    if (compare !== undefined && typeof compare !== 'function') throw wrongType('compare', 'a function', compare)
    if (compare === undefined) return rewrite(this, (items) => items.toSorted())
    // What a comparison does is no part of it.
    const { session } = of(this)
    if (session.depth === 0) session.refresh()
    const sorted = of(this).items().toSorted(compare)
    return rewrite(this, () => sorted)
  },
  reverse(this: Items) {
    return rewrite(this, (items) => items.toReversed())
  },
  fill(this: Items, value: unknown, start?: unknown, end?: unknown) {
    const [from, to] = [toWhole(start), toEnd(end)]
    return rewrite(this, (items) => items.fill(value, from, to))
  },
  copyWithin(this: Items, target: unknown, start: unknown, end?: unknown) {
    const [to, from, until] = [toWhole(target), toWhole(start), toEnd(end)]
    return rewrite(this, (items) => items.copyWithin(to, from, until))
  },
}

type Method = (this: unknown, ...args: unknown[]) => unknown

/** The same, which are those of every array where they are called on another one. */
const methods = Object.fromEntries(Object.entries(changing).map(([name, method]) => [name, onLive(name, method as Method)]))

function onLive(name: string, method: Method): Method {
  const plain = Reflect.get(Array.prototype, name) as Method
  const both = {
    [name](this: unknown, ...args: unknown[]): unknown {
      return Reflect.apply(containers.get(this as object) instanceof ArrayContainer ? method : plain, this, args)
    },
  }
  return both[name]!
}

function take(container: ArrayContainer, index: number): unknown {
  if (container.length === 0) return undefined
  const item = container.item(index)
  container.splice(index, 1, [])
  return item
}

/** @param numbers where it starts and how many items go, as far as the call says so */
function splice(container: ArrayContainer, numbers: readonly number[], values: Items): Items {
  const { length } = container
  const [from = 0, count = numbers.length === 0 ? 0 : Infinity] = numbers
  const start = from < 0 ? Math.max(length + from, 0) : Math.min(from, length)
  const removed = Math.min(Math.max(count, 0), length - start)
  const gone = Array.from({ length: removed }, (_, index) => container.item(start + index))
  container.splice(start, removed, values)
  return gone
}

/** Changes a copy of all items, and writes them at once. */
function rewrite(array: Items, change: (items: Items) => Items): Items {
  const container = of(array)
  return container.atomically(() => {
    const items = change(container.items())
    container.splice(0, Math.min(items.length, container.length), items)
    return array
  })
}

/** The index that a property's name is; -1 where it is none. */
function indexOf(key: string): number {
  const first = key.charCodeAt(0)
  if (!(first >= 48 && first <= 57)) return -1
  const index = Number(key)
  return index >>> 0 === index && index !== 2 ** 32 - 1 && String(index) === key ? index : -1
}

class ArrayHandler extends Unchangeable<Items> {
  readonly #container: ArrayContainer

  constructor(container: ArrayContainer) {
    super()
    this.#container = container
  }

  get(target: Items, key: PropertyKey, receiver: unknown): unknown {
    if (typeof key !== 'string') return Reflect.get(target, key, receiver)
    if (key === 'length') return this.#container.length
    const index = indexOf(key)
    if (index >= 0) return this.#container.item(index)
    return Object.hasOwn(methods, key) ? methods[key] : Reflect.get(target, key, receiver)
  }

  set(target: Items, key: PropertyKey, value: unknown, receiver: unknown): boolean {
    const container = this.#container
    if (containers.get(receiver as object) !== container) return Reflect.set(this.has(target, key) ? nothing() : target, key, value, receiver)
    checkName(container, key)
    if (key === 'length') container.setLength(value)
    else container.set(this.#indexOf(key), value)
    return true
  }

  #indexOf(key: string): number {
    const index = indexOf(key)
    if (index >= 0) return index
    throw new RangeError(`'${key}' is no index, and a live array has no other properties that would be stored`)
  }

  has(target: Items, key: PropertyKey): boolean {
    const index = typeof key === 'string' ? indexOf(key) : -1
    return index >= 0 ? index < this.#container.length : Reflect.has(target, key)
  }

  ownKeys(): string[] {
    return [...Array.from({ length: this.#container.length }, (_, index) => String(index)), 'length']
  }

  getOwnPropertyDescriptor(_: Items, key: PropertyKey): PropertyDescriptor | undefined {
    if (typeof key !== 'string') return undefined
    const { length } = this.#container
    if (key === 'length') return { value: length, writable: true, enumerable: false, configurable: false }
    const index = indexOf(key)
    if (index < 0 || index >= length) return undefined
    return { value: this.#container.item(index), writable: true, enumerable: true, configurable: true }
  }

  defineProperty(_: Items, key: PropertyKey, descriptor: PropertyDescriptor): boolean {
    checkName(this.#container, key)
    if (key === 'length') {
      if (descriptor.writable === false) throw new TypeError('a live array cannot be frozen')
      if ('value' in descriptor) this.#container.setLength(descriptor.value)
      return true
    }
    const index = this.#indexOf(key)
    checkDescriptor(descriptor, index < this.#container.length)
    if ('value' in descriptor || index >= this.#container.length) this.#container.set(index, descriptor.value)
    return true
  }

  deleteProperty(_: Items, key: PropertyKey): boolean {
    if (key === 'length') return false
    const index = typeof key === 'string' ? indexOf(key) : -1
    if (index < 0 || index >= this.#container.length) return true
    throw new RangeError(`deleting the item ${index} would leave a gap, and stored arrays have none: use splice`)
  }
}

/** Only what is stored as a whole can be defined: a value without restrictions. */
export function checkDescriptor(descriptor: PropertyDescriptor, exists: boolean): void {
  const { get, set, writable = exists, enumerable = exists, configurable = exists } = descriptor
  if (get || set) throw new TypeError('an accessor cannot be stored')
  if (!writable || !enumerable || !configurable) throw new TypeError('a stored property is writable, enumerable and configurable')
}

/** The live object of an array that has none yet. */
export function newArray(session: Session, id: number): object {
  const container = new ArrayContainer(session, KIND.array, id)
  return keepLive(container, new Proxy<Items>(targetOf<Items>([], container, 'Array'), new ArrayHandler(container)))
}
