/** Stores of any version, with instances of classes that are not known here. */

import { Classes, type PersistentClass } from '../objects/classes.js'
import { toOpenArguments } from '../objects/options.js'
import { Persistent } from '../objects/persistent.js'
import { Session } from '../objects/session.js'
import { type Store, newStore } from '../objects/store.js'
import { native } from '../shared/native.js'

/** Classes of whatever names: their instances have fields, and no methods, which nobody needs here. */
class AnyClasses extends Classes {
  readonly #made = new Map<string, PersistentClass>()

  constructor() {
    super({})
  }

  override of(name: string): PersistentClass {
    const made = this.#made.get(name) ?? ({ [name]: class extends Persistent {} }[name] as PersistentClass)
    this.#made.set(name, made)
    return made
  }

  override nameOf(type: PersistentClass): string {
    return type.name
  }
}

/** Sessions, by the stores that were opened here. */
const sessions = new WeakMap<object, Session>()

/** Opens a store, for reading unless that is said; of whatever version of its program. */
export function openStore(path: string, { writable = false, create = false } = {}): Store {
  const { flags } = toOpenArguments({ readonly: !writable, create })
  const session = new Session(native.objectsOpen(Buffer.from(path), flags), path, flags.readonly, false, new AnyClasses())
  const store = newStore(session)
  sessions.set(store, session)
  return store
}

/** What reads a store that `openStore` opened. */
export function sessionOf(store: Store): Session {
  return sessions.get(store)!
}
