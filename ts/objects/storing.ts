/** What is put into a store: values that are written as they are, and plain ones that become containers. */

import { types } from 'node:util'
import { detached, unclonable } from '../shared/errors.js'
import * as calls from './calls.js'
import { COMMAND, startCommand, startSplice, writeRecord } from './commands.js'
import type { PersistentClass } from './classes.js'
import { pathOf } from './paths.js'
import { Container, type Session, containers } from './session.js'
import type { Shape } from './shapes.js'
import { describe, stepOf, stepTo } from './steps.js'
import { KIND, type Kind, out } from './values.js'

/** A container that may be an instance which is not stored yet, and becomes the stored one. */
export abstract class Draft extends Container {
  constructor(
    session: Session,
    kind: Kind,
    id: number,
    readonly type: PersistentClass | undefined,
  ) {
    super(session, kind, id)
  }

  /** The fields of one that is not stored yet, in their order. */
  abstract draftFields(): [string, unknown][]

  /** It is stored from now on. */
  abstract adopt(session: Session, id: number): void
}

/** Where a value is to stand, for messages: in a container, or at a name. */
export type Place = { readonly container: Container; readonly step: string } | { readonly name: string }

type Refuse = (what: string) => Error

/** A plain object that becomes a container, or an instance that becomes the stored one. */
interface Fresh {
  readonly kind: Kind
  readonly id: number
  readonly object: object
  readonly parent: Fresh | Place
  /** Where it stands in its parent. */
  readonly step: string
  /** The names and values of a record. */
  fields?: readonly (readonly [string, unknown])[]
  shape?: Shape | undefined
}

/** Whether a value is written as it is, without anything before it. */
export function isPrimitive(value: unknown): boolean {
  return value === null || (typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol')
}

/** All that one change brings into a store. */
export class Storing {
  readonly #session: Session
  readonly #fresh = new Map<object, Fresh>()
  /** Those whose contents are not looked at yet. */
  readonly #queue: Fresh[] = []

  constructor(session: Session) {
    this.#session = session
  }

  /** A value that is to be written. */
  add(value: unknown, place: Place): void {
    this.#look(value, place, '')
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) this.#lookInto(next)
  }

  /** A key of a map or a set that is to be written. */
  addKey(key: unknown, place: Place): void {
    this.#checkKey(key, place, '')
    this.add(key, place)
  }

  #look(value: unknown, parent: Fresh | Place, step: string): void {
    if (isPrimitive(value)) return
    const refuse = this.#refusing(parent, step)
    if (typeof value !== 'object') throw refuse(`a ${typeof value} cannot be stored`)
    const object = value!
    if (this.#fresh.has(object)) return
    const container = containers.get(object)
    if (container && container.id !== 0) return checkLive(this.#session, container, refuse)
    if (types.isDate(object)) return
    if (ArrayBuffer.isView(object) || types.isArrayBuffer(object)) return
    this.#queue.push(this.#become(object, this.#kindOf(object, container, refuse), parent, step))
  }

  /** Only what can be found again is a key. */
  #checkKey(key: unknown, parent: Fresh | Place, step: string): void {
    if (isPrimitive(key) || typeof key !== 'object' || containers.has(key!)) return
    throw this.#refusing(parent, step)(`${describe(key!)} cannot be a key, since a copy of it would never be found again; keys are primitive values and live objects`)
  }

  #refusing(parent: Fresh | Place, step: string): Refuse {
    return (what) => unclonable(`${nameOf(parent, step)}: ${what}`)
  }

  #kindOf(object: object, container: Container | undefined, refuse: Refuse): Kind {
    if (container instanceof Draft) {
      this.#session.classes.nameOf(container.type!, refuse)
      return KIND.instance
    }
    if (types.isProxy(object)) throw refuse('a Proxy cannot be stored')
    if (types.isMap(object) && isPlainOf(object, 2)) return KIND.map
    if (types.isSet(object) && isPlainOf(object, 2)) return KIND.set
    if (Array.isArray(object) && isPlainOf(object, 2)) return KIND.array
    if (isPlainOf(object, 1) && !types.isBoxedPrimitive(object) && !isSpecial(object)) return KIND.object
    throw refuse(`${describe(object)} cannot be stored`)
  }

  #become(object: object, kind: Kind, parent: Fresh | Place, step: string): Fresh {
    const fresh: Fresh = { kind, id: this.#session.newId(), object, parent, step }
    this.#fresh.set(object, fresh)
    return fresh
  }

  #lookInto(fresh: Fresh): void {
    const { object, kind } = fresh
    if (kind === KIND.map) {
      for (const [key, value] of mapEntries(object as Map<unknown, unknown>)) {
        const step = stepTo(key)
        this.#checkKey(key, fresh, step)
        this.#look(key, fresh, step)
        this.#look(value, fresh, step)
      }
    } else if (kind === KIND.set) {
      for (const value of setValues(object as Set<unknown>)) {
        this.#checkKey(value, fresh, '')
        this.#look(value, fresh, '')
      }
    } else if (kind === KIND.array) {
      this.#lookIntoArray(fresh, object as unknown[])
    } else {
      this.#lookIntoFields(fresh)
    }
  }

  #lookIntoArray(fresh: Fresh, array: unknown[]): void {
    const names = Object.keys(array)
    for (let index = 0; index < array.length; index += 1) {
      if (names[index] !== String(index)) throw this.#refusing(fresh, `[${index}]`)('a gap cannot be stored')
      const { value, get, set } = Object.getOwnPropertyDescriptor(array, index)!
      if (get || set) throw this.#refusing(fresh, `[${index}]`)('an accessor cannot be stored')
      this.#look(value, fresh, `[${index}]`)
    }
    const name = names[array.length]
    if (name !== undefined) throw this.#refusing(fresh, stepOf(name))('a stored array has items alone, and no other properties')
  }

  #lookIntoFields(fresh: Fresh): void {
    const { object, kind } = fresh
    const container = containers.get(object) as Draft | undefined
    const fields = container ? container.draftFields() : [...this.#propertiesOf(fresh)]
    for (const [name, value] of fields) this.#look(value, fresh, stepOf(name))
    const className = kind === KIND.instance ? this.#session.classes.nameOf(container!.type!) : undefined
    const names = fields.map(([name]) => name)
    fresh.fields = fields
    fresh.shape = this.#session.shapes.intern(className, names)
    // A dictionary needs that of its class, which is known when the commands are written.
    if (!fresh.shape) this.#session.shapes.bare(className)
  }

  *#propertiesOf(fresh: Fresh): Generator<[string, unknown]> {
    for (const key of Reflect.ownKeys(fresh.object)) {
      const { enumerable, value, get, set } = Object.getOwnPropertyDescriptor(fresh.object, key)!
      if (!enumerable) continue
      const refuse = this.#refusing(fresh, stepOf(String(key)))
      if (typeof key === 'symbol') throw refuse('a property whose name is a symbol cannot be stored')
      if (get || set) throw refuse('an accessor cannot be stored')
      yield [key, value]
    }
  }

  /** Begins the commands: all that makes the new containers. */
  start(): void {
    // Whoever has an instance may look at it before others have the store dropped it.
    for (const { kind, id } of this.#fresh.values()) if (kind === KIND.instance) calls.pin(this.#session.handle(), id)
    out.clear()
    for (const { kind, id } of this.#fresh.values()) {
      startCommand(COMMAND.create, id)
      out.byte(kind)
    }
    for (const fresh of this.#fresh.values()) this.#fill(fresh)
  }

  #fill({ kind, id, object, fields, shape }: Fresh): void {
    if (kind === KIND.map) {
      for (const [key, value] of mapEntries(object as Map<unknown, unknown>)) {
        startCommand(COMMAND.mapSet, id)
        this.write(key, true)
        this.write(value)
      }
    } else if (kind === KIND.set) {
      for (const value of setValues(object as Set<unknown>)) {
        startCommand(COMMAND.setAdd, id)
        this.write(value, true)
      }
    } else if (kind === KIND.array) {
      const array = object as unknown[]
      startSplice(id, 0, 0, array.length)
      for (const value of array) this.write(value)
    } else if (shape) {
      const values = fields!
      writeRecord(id, shape, () => values.forEach(([, value]) => this.write(value)))
    } else {
      this.#fillDictionary(id, object, fields!)
    }
  }

  #fillDictionary(id: number, object: object, fields: readonly (readonly [string, unknown])[]): void {
    const container = containers.get(object) as Draft | undefined
    const className = container && this.#session.classes.nameOf(container.type!)
    writeRecord(id, this.#session.shapes.bare(className), () => {})
    startCommand(COMMAND.dictionary, id)
    for (const [name, value] of fields) {
      startCommand(COMMAND.mapSet, id)
      out.text(name)
      this.write(value)
    }
  }

  /** Writes a value that was added. */
  write(value: unknown, isKey = false): void {
    if (isKey && value === 0) return out.number(0)
    if (out.primitive(value)) return
    const fresh = this.#fresh.get(value as object)
    if (fresh) return out.reference(fresh.kind, fresh.id)
    writeObject(value as object)
  }

  /** What an object becomes; undefined where it is none that becomes a container. */
  freshOf(object: object): { readonly kind: Kind; readonly id: number } | undefined {
    return this.#fresh.get(object)
  }

  /** All of it is stored: what the caller has of it is live. */
  done(): void {
    for (const { kind, id, object } of this.#fresh.values()) {
      this.#session.made(id)
      if (kind === KIND.instance) {
        const container = containers.get(object) as Draft
        container.adopt(this.#session, id)
        this.#session.keep(container, object)
        calls.unpin(this.#session.handle(), id)
      }
    }
  }

  /** Nothing of it is stored. */
  failed(): void {
    for (const { kind, id } of this.#fresh.values()) if (kind === KIND.instance && !this.#session.closed) calls.unpin(this.#session.handle(), id)
  }
}

/** Where something is: from the root on, where that is known. */
function nameOf(parent: Fresh | Place, step: string): string {
  if ('name' in parent) return parent.name + step
  if ('container' in parent) return pathOf(parent.container) + parent.step + step
  return nameOf(parent.parent, parent.step + step)
}

/** A live object that is put somewhere is of the same store, and still there. */
function checkLive(session: Session, container: Container, refuse: Refuse): void {
  if (container.gone !== undefined) throw detached(session.path, container.gone)
  if (container.session === session) return
  throw refuse(container.session.isSnapshot ? 'an object of a snapshot cannot be stored; toPlain copies it' : 'an object of another store, or of another handle of this one, cannot be stored; toPlain copies it')
}

/** Whether an object is of a class of the language, also of another realm, and not of one that a program made of it. */
function isPlainOf(object: object, depth: number): boolean {
  let prototype: object | null = object
  for (let step = 0; step <= depth; step += 1) {
    if (prototype === null) return depth === 1 && step === 1
    prototype = Object.getPrototypeOf(prototype) as object | null
  }
  return prototype === null
}

/** Objects whose content is not in their properties. */
function isSpecial(object: object): boolean {
  return types.isArgumentsObject(object) || types.isGeneratorObject(object) || types.isModuleNamespaceObject(object)
}

const mapEntries = Map.prototype.entries.call.bind(Map.prototype.entries) as (map: Map<unknown, unknown>) => Iterable<[unknown, unknown]>
const setValues = Set.prototype.values.call.bind(Set.prototype.values) as (set: Set<unknown>) => Iterable<unknown>

/** Writes an object that is no primitive and not new. */
function writeObject(value: object): void {
  const container = containers.get(value)
  if (container) out.reference(container.kind, container.id)
  else if (types.isDate(value)) out.date(Date.prototype.getTime.call(value))
  else out.binary(value as ArrayBuffer)
}

/**
 * Carries out one command that brings values: `write` writes it, by the function that it gets. The last command's first
 * result.
 */
export function store(session: Session, container: Container, step: string, value: unknown, write: (value: Write) => void, key?: unknown): number {
  if (isPrimitive(value) && isPrimitive(key)) {
    out.clear()
    write(writePrimitive)
    return session.apply(out)
  }
  const storing = new Storing(session)
  if (!isPrimitive(key)) storing.addKey(key, { container, step })
  storing.add(value, { container, step })
  return storeAll(session, storing, () => write((written, isKey) => storing.write(written, isKey)))
}

/** Writes a value, or a key. */
export type Write = (value: unknown, isKey?: boolean) => void

const writePrimitive: Write = (value, isKey) => {
  if (isKey && value === 0) out.number(0)
  else out.primitive(value)
}

/** Carries out commands that bring what was added. The last one's first result. */
export function storeAll(session: Session, storing: Storing, write: () => void): number {
  storing.start()
  let result: number
  try {
    write()
    result = session.apply(out)
  } catch (error) {
    storing.failed()
    throw error
  }
  storing.done()
  return result
}
