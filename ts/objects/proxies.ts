/** What live objects look like from outside. */

import { unclonable } from '../shared/errors.js'
import { pathOf } from './paths.js'
import type { Container } from './session.js'
import { show } from './show.js'

/** The name of the method that `util.inspect` and `console.log` ask for, in every runtime. */
const INSPECT = Symbol.for('nodejs.util.inspect.custom')

/** What a live object's proxy has as its target: empty, and of the class that the object seems to be of. */
export function targetOf<T extends object>(target: T, container: Container, name: string): T {
  // The runtime's inspector passes by the traps.
  Object.defineProperty(target, INSPECT, { value: show(container, name), configurable: true, writable: true })
  return target
}

/** Traps that are the same for all: what a live object is does not change, and has no properties that are not stored. */
export class Unchangeable<T extends object> implements ProxyHandler<T> {
  setPrototypeOf(target: T, prototype: object | null): boolean {
    if (Reflect.getPrototypeOf(target) === prototype) return true
    throw new TypeError('the prototype of a live object cannot be changed')
  }

  preventExtensions(): boolean {
    throw new TypeError('a live object cannot be frozen, sealed or made not extensible')
  }
}

/** The traps of maps and sets, which have methods and no properties. */
class Closed extends Unchangeable<object> {
  set(_: object, key: PropertyKey): boolean {
    throw new TypeError(`the property ${String(key)} of a live Map or Set would not be stored`)
  }

  defineProperty(_: object, key: PropertyKey): boolean {
    throw new TypeError(`the property ${String(key)} of a live Map or Set would not be stored`)
  }

  ownKeys(): (string | symbol)[] {
    return []
  }

  getOwnPropertyDescriptor(): undefined {
    return undefined
  }
}

const closed = new Closed()

/** The live object of a map or a set. */
export function closedProxy<T extends object>(prototype: T, container: Container, name: string): T {
  return new Proxy(targetOf(Object.create(prototype) as T, container, name), closed as ProxyHandler<T>)
}

/** What an assignment goes by that goes to another object, such as one whose prototype a live object is. */
export function nothing(): object {
  return Object.create(null) as object
}

/** Symbols name what is not stored. */
export function checkName(container: Container, key: PropertyKey): asserts key is string {
  if (typeof key === 'symbol') throw unclonable(`${pathOf(container)}: a property whose name is a symbol, ${String(key)}, cannot be stored`)
}
