import { types } from 'node:util'
import { detached } from '../shared/errors.js'
import * as calls from './calls.js'
import type { PersistentClass } from './classes.js'
import { COMMAND, startCommand } from './commands.js'
import { liveObject } from './live.js'
import { COPIED, type Header, readEntries, readFields, readHeader, readShaped } from './reading.js'
import type { Session } from './session.js'
import type { Shape } from './shapes.js'
import { type Glance, shownOf } from './show.js'
import { stepOf } from './steps.js'
import { Draft, store } from './storing.js'
import { type Kind, type Reader, Reference, from, out } from './values.js'

/** What a field is that is not there. */
export const ABSENT = Symbol('absent')

/** What a command gives where another thread has changed the object's form meanwhile. */
const OUTDATED = -1

/** How often a change is tried again that another thread comes before. */
const TRIES = 100

/** An object's fields: one record, or entries where there are many of them. Those of an instance that is not stored yet are here. */
export class Fields extends Draft {
  /** What is known of them, as long as the epoch is the session's: all of a record, some of a dictionary. */
  readonly known = new Map<string, unknown>()
  /** The names in a dictionary, in its order, once they were asked for. */
  #names: string[] | undefined
  #shape: Shape | undefined
  #isDictionary = false
  /** What is not stored. */
  readonly #volatile = new Map<string, unknown>()
  readonly #volatileNames: readonly string[]
  /** While its class's constructor runs for it at load, what that sets is no change. */
  scratch: Map<string, unknown> | undefined

  constructor(session: Session | undefined, kind: Kind, id: number, type: PersistentClass | undefined) {
    super(session!, kind, id, type)
    this.#volatileNames = type?.volatile ?? []
  }

  override glance(): Glance {
    const plain = Object.create(this.type ? this.type.prototype : Object.prototype) as Record<string, unknown>
    for (const name of this.names()) Object.defineProperty(plain, name, { value: shownOf(() => this.get(name)), writable: true, enumerable: true, configurable: true })
    return { plain }
  }

  override change(): void {
    super.change()
    this.#names = undefined
  }

  isVolatile(name: string): boolean {
    return this.#volatileNames.length > 0 && this.#volatileNames.includes(name)
  }

  /** Sees to it that what is known is what this turn sees. */
  #load(): void {
    if (this.id === 0) {
      if (this.gone !== undefined) throw detached(undefined, this.gone)
      return
    }
    this.look()
    if (this.epoch === this.session.epoch) return
    const { session } = this
    this.known.clear()
    this.#names = undefined
    const { header, shape } = readShaped(session, this.id)
    this.#fill(header, shape)
    this.epoch = session.epoch
  }

  #fill({ isDictionary }: Header, shape: Shape): void {
    this.#isDictionary = isDictionary
    this.#shape = shape
    if (isDictionary) return
    const values = readFields()
    shape.names.forEach((name, index) => this.known.set(name, values[index]))
  }

  /** A field; {@link ABSENT} where there is none. */
  get(name: string): unknown {
    if (this.isVolatile(name)) return this.#volatile.has(name) ? this.#volatile.get(name) : ABSENT
    this.#load()
    const value = this.known.get(name)
    if (value === COPIED) return this.#copy(name)
    if (value instanceof Reference) return this.#enliven(name, value)
    if (value !== undefined || this.known.has(name)) return value
    const stored = this.#isDictionary && this.id !== 0 ? this.#look(name) : ABSENT
    return stored === ABSENT ? this.#initial(name) : stored
  }

  #enliven(name: string, { kind, id }: Reference): unknown {
    const object = liveObject(this.session, kind, id)
    if (this.known.has(name)) this.known.set(name, object)
    return object
  }

  /** What a field is that was not stored: what the constructor made it at load, or its default. */
  #initial(name: string): unknown {
    if (this.id === 0) return ABSENT
    if (this.scratch?.has(name)) return this.scratch.get(name)
    const { defaults } = this.type ?? {}
    if (!defaults || !Object.hasOwn(defaults, name)) return ABSENT
    const value = defaults[name]
    return types.isDate(value) ? new Date(value) : value
  }

  #copy(name: string): unknown {
    if (this.#isDictionary) return this.#look(name)
    readHeader(this.session, this.id)
    from.at += 4
    for (let index = this.#shape!.indexes.get(name)!; index > 0; index -= 1) from.skip()
    return from.value()
  }

  #entry(name: string): Reader | undefined {
    out.clear().text(name)
    return calls.get(this.session.handle(), this.id, out)
  }

  /** A field of a dictionary. */
  #look(name: string): unknown {
    const reader = this.#entry(name)
    if (!reader) return ABSENT
    const value = reader.value()
    if (value instanceof Reference) return liveObject(this.session, value.kind, value.id)
    if (typeof value !== 'object' || value === null) this.known.set(name, value)
    return value
  }

  /** Whether there is such a field. Nothing is made of it. */
  has(name: string): boolean {
    if (this.isVolatile(name)) return this.#volatile.has(name)
    this.#load()
    if (this.known.has(name)) return true
    return (this.#isDictionary && this.id !== 0 && this.#entry(name) !== undefined) || this.#initial(name) !== ABSENT
  }

  /** The names of all fields that are stored, or would be, as `Reflect.ownKeys` has them. */
  names(): string[] {
    this.#load()
    const names = new Set(this.#isDictionary && this.id !== 0 ? this.#dictionaryNames() : this.known.keys())
    if (this.id !== 0) {
      for (const name of this.scratch?.keys() ?? []) names.add(name)
      for (const name of Object.keys(this.type?.defaults ?? {})) names.add(name)
    }
    for (const name of this.#volatileNames) names.delete(name)
    return inOrder(names)
  }

  volatileNames(): string[] {
    return [...this.#volatile.keys()]
  }

  #dictionaryNames(): string[] {
    if (this.#names) return this.#names
    const names: string[] = []
    for (let after = -1; ; ) {
      const { keys, numbers } = readEntries(this.session, this.id, this.kind, after, 256)
      if (keys.length === 0) break
      names.push(...(keys as string[]))
      after = numbers.at(-1)!
    }
    this.#names = names
    return names
  }

  set(name: string, value: unknown): void {
    if (this.isVolatile(name)) return void this.#volatile.set(name, value)
    if (this.scratch && this.isConstructing) return void this.scratch.set(name, value)
    if (this.id === 0) {
      if (this.gone !== undefined) throw detached(undefined, this.gone)
      return void this.known.set(name, value)
    }
    this.touch()
    this.#write(() => this.#setOnce(name, value))
  }

  /** Whether the constructor runs for what is loaded. */
  isConstructing = false

  #setOnce(name: string, value: unknown): number {
    const shape = this.#shape!
    const { session } = this
    if (this.#isDictionary) return this.#setEntry(name, value)
    const index = shape.indexes.get(name)
    const longer = index === undefined ? session.shapes.intern(shape.className, [...shape.names, name]) : undefined
    if (index === undefined && !longer) return this.#setEntry(name, value, true)
    return store(session, this, stepOf(name), value, (write) => {
      startCommand(longer ? COMMAND.extend : COMMAND.field, this.id)
      out.uint32(shape.id)
      if (longer) out.uint32(longer.id)
      else out.uint16(index!)
      write(value)
    })
  }

  /** @param becomes whether a record becomes a dictionary, since no more shapes are taken */
  #setEntry(name: string, value: unknown, becomes = false): number {
    return store(this.session, this, stepOf(name), value, (write) => {
      if (becomes) startCommand(COMMAND.dictionary, this.id)
      startCommand(COMMAND.mapSet, this.id)
      out.text(name)
      write(value)
    })
  }

  delete(name: string): void {
    this.#volatile.delete(name)
    if (this.id === 0) return void this.known.delete(name)
    this.touch()
    this.#load()
    this.scratch?.delete(name)
    this.#write(() => this.#deleteOnce(name))
  }

  #deleteOnce(name: string): number {
    const shape = this.#shape!
    if (this.#isDictionary) return this.#deleteEntry(name)
    const index = shape.indexes.get(name)
    if (index === undefined) return 0
    const shorter = this.session.shapes.intern(shape.className, shape.names.toSpliced(index, 1))
    if (!shorter) return this.#deleteEntry(name, true)
    startCommand(COMMAND.shrink, (out.clear(), this.id))
    out.uint32(shape.id)
    out.uint32(shorter.id)
    out.uint16(index)
    return this.session.apply(out)
  }

  #deleteEntry(name: string, becomes = false): number {
    out.clear()
    if (becomes) startCommand(COMMAND.dictionary, this.id)
    startCommand(COMMAND.delete, this.id)
    out.text(name)
    return this.session.apply(out)
  }

  /** Does what needs to know the object's form, again where another thread has changed that meanwhile. */
  #write(change: () => number): void {
    for (let tries = 0; tries < TRIES; tries += 1) {
      this.#load()
      const result = change()
      this.change()
      if (result !== OUTDATED) return
      this.session.current = this.session.depth > 0
    }
    throw new Error('another thread changes the form of this object all the time')
  }

  override draftFields(): [string, unknown][] {
    return inOrder(this.known.keys()).map((name) => [name, this.known.get(name)])
  }

  override adopt(session: Session, id: number): void {
    this.session = session
    this.id = id
    this.known.clear()
    this.change()
  }
}

/** Names as `Reflect.ownKeys` has them: indexes first, in ascending order. */
function inOrder(names: Iterable<string>): string[] {
  const all = [...names]
  const indexes = all.filter(isIndex)
  if (indexes.length === 0) return all
  return [...indexes.toSorted((one, other) => Number(one) - Number(other)), ...all.filter((name) => !isIndex(name))]
}

function isIndex(name: string): boolean {
  const first = name.charCodeAt(0)
  if (!(first >= 48 && first <= 57)) return false
  const number = Number(name)
  return number < 2 ** 32 - 1 && String(number) === name && Number.isInteger(number)
}
