import { checkDescriptor } from './array.js'
import type { PersistentClass } from './classes.js'
import { ABSENT, Fields } from './fields.js'
import { keepLive } from './live.js'
import { Unchangeable, checkName, nothing, targetOf } from './proxies.js'
import { readShaped } from './reading.js'
import { type Session, containers } from './session.js'
import { KIND } from './values.js'

/** The traps of an object: its own properties are its fields. */
class FieldsHandler extends Unchangeable<object> {
  readonly #fields: Fields

  constructor(fields: Fields) {
    super()
    this.#fields = fields
  }

  get(target: object, key: PropertyKey, receiver: unknown): unknown {
    if (typeof key !== 'string') return Reflect.get(target, key, receiver)
    const fields = this.#fields
    const { session } = fields
    // What did not change since it was read last.
    if (session?.current && fields.epoch === session.epoch) {
      const known = fields.known.get(key)
      if (typeof known === 'string' || typeof known === 'number') return known
    }
    const value = fields.get(key)
    return value === ABSENT ? Reflect.get(target, key, receiver) : value
  }

  set(target: object, key: PropertyKey, value: unknown, receiver: unknown): boolean {
    const fields = this.#fields
    if (containers.get(receiver as object) !== fields) return Reflect.set(this.has(target, key) ? nothing() : target, key, value, receiver)
    checkName(fields, key)
    if (!fields.has(key) && !fields.isVolatile(key)) {
      const setter = inherited(target, key)
      if (setter?.get || setter?.set) return Reflect.set(target, key, value, receiver)
    }
    fields.set(key, value)
    return true
  }

  has(target: object, key: PropertyKey): boolean {
    return (typeof key === 'string' && this.#fields.has(key)) || Reflect.has(target, key)
  }

  ownKeys(): string[] {
    return [...this.#fields.names(), ...this.#fields.volatileNames()]
  }

  getOwnPropertyDescriptor(_: object, key: PropertyKey): PropertyDescriptor | undefined {
    if (typeof key !== 'string') return undefined
    const value = this.#fields.get(key)
    if (value === ABSENT) return undefined
    return { value, writable: true, enumerable: !this.#fields.isVolatile(key), configurable: true }
  }

  defineProperty(_: object, key: PropertyKey, descriptor: PropertyDescriptor): boolean {
    const fields = this.#fields
    checkName(fields, key)
    const exists = fields.has(key)
    checkDescriptor(descriptor, exists)
    if ('value' in descriptor || !exists) fields.set(key, descriptor.value)
    return true
  }

  deleteProperty(_: object, key: PropertyKey): boolean {
    if (typeof key === 'string') this.#fields.delete(key)
    return true
  }
}

/** The property that an object's prototypes have. */
function inherited(target: object, key: string): PropertyDescriptor | undefined {
  for (let object = Reflect.getPrototypeOf(target); object; object = Reflect.getPrototypeOf(object)) {
    const descriptor = Reflect.getOwnPropertyDescriptor(object, key)
    if (descriptor) return descriptor
  }
  return undefined
}

/** The object that these fields are seen by. */
function objectOf(fields: Fields, prototype: object, name: string): object {
  const target = targetOf(Object.create(prototype) as object, fields, name)
  const object = new Proxy(target, new FieldsHandler(fields))
  containers.set(object, fields)
  return object
}

/** The live object of a plain object that has none yet. */
export function newObject(session: Session, id: number): object {
  const fields = new Fields(session, KIND.object, id, undefined)
  return keepLive(fields, objectOf(fields, Object.prototype, 'Object'))
}

/** What the constructor of `Persistent` makes an object of, while an instance is loaded, and the class that it is of. */
let loading: { readonly type: PersistentClass; readonly object: object } | undefined

/** The object that the constructor of `Persistent` is to return. */
export function constructed(type: PersistentClass): object {
  if (loading?.type === type) {
    const { object } = loading
    loading = undefined
    return object
  }
  return objectOf(new Fields(undefined, KIND.instance, 0, type), type.prototype, type.name)
}

/** The live object of an instance that has none yet. */
export function newInstance(session: Session, id: number): object {
  const type = session.classes.of(classNameOf(session, id), session.path)
  const fields = new Fields(session, KIND.instance, id, type)
  const object = keepLive(fields, objectOf(fields, type.prototype, type.name))
  try {
    if (type.construct) construct(type, fields, object)
    const { attached } = object as { attached?: unknown }
    if (typeof attached === 'function') attached.call(object)
  } catch (error) {
    // The next read tries it again.
    session.forget(id)
    throw error
  }
  return object
}

/** Runs a class's constructor for what is loaded, so that it has what only that can give it. */
function construct(type: PersistentClass, fields: Fields, object: object): void {
  fields.scratch = new Map()
  fields.isConstructing = true
  const before = loading
  loading = { type, object }
  try {
    Reflect.construct(type, [])
  } finally {
    loading = before
    fields.isConstructing = false
  }
}

function classNameOf(session: Session, id: number): string {
  return readShaped(session, id).shape.className!
}
