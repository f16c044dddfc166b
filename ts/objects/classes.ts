/** The classes whose instances a store keeps. */

import { types } from 'node:util'
import { unclonable, unknownClass, wrongType, wrongValue } from '../shared/errors.js'

/** A class of instances that are stored, as `open` takes it. */
export interface PersistentClass {
  new (...args: never[]): object
  readonly name: string
  readonly prototype: object
  /** What fields are that an instance has not, since it was stored before they were thought of. */
  readonly defaults?: Readonly<Record<string, unknown>>
  /** Whether the constructor runs, without arguments, where an instance is loaded: its `#private` fields need that. */
  readonly construct?: boolean
  /** The names of the fields that are not stored. */
  readonly volatile?: readonly string[]
}

/** The base of stored classes, which `persistent.ts` is the only one to make; here for what extends it. */
export const bases = new WeakSet<object>()

/** The classes of a store, by name. */
export class Classes {
  readonly #byName: ReadonlyMap<string, PersistentClass>
  readonly #names: ReadonlyMap<PersistentClass, string>

  constructor(classes: Readonly<Record<string, PersistentClass>>) {
    const entries = Object.entries(classes)
    for (const [name, type] of entries) checkClass(name, type)
    this.#byName = new Map(entries)
    this.#names = new Map(entries.map(([name, type]) => [type, name]))
  }

  /** The name of a class. */
  nameOf(type: PersistentClass, refuse?: (what: string) => Error): string {
    const name = this.#names.get(type)
    if (name !== undefined) return name
    const what = `an instance of ${type.name}, a class that the store was not opened with, cannot be stored: pass it as classes: { ${type.name} } to open`
    throw refuse?.(what) ?? unclonable(what)
  }

  /** The class of a name that a record has. */
  of(name: string, path: string): PersistentClass {
    const type = this.#byName.get(name)
    if (type) return type
    throw unknownClass(path, name)
  }
}

function checkClass(name: string, type: unknown): void {
  const argument = `options.classes.${name}`
  if (typeof type !== 'function' || !isDerived(type)) throw wrongType(argument, 'a class that extends objects.Persistent', type)
  const { defaults = {}, volatile = [] } = type as PersistentClass
  for (const [field, value] of Object.entries(defaults)) {
    if (typeof value === 'function' || typeof value === 'symbol' || (typeof value === 'object' && value !== null && !types.isDate(value))) {
      throw wrongValue(argument, `its default of ${field} is shared by all instances, so it must be a primitive value or a Date; make containers in attached()`)
    }
  }
  if (!Array.isArray(volatile) || volatile.some((field) => typeof field !== 'string')) {
    throw wrongValue(argument, 'its static volatile is a list of names of fields')
  }
}

function isDerived(type: object): boolean {
  for (let base: object | null = type; base; base = Object.getPrototypeOf(base) as object | null) if (bases.has(base)) return true
  return false
}
