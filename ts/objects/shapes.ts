import * as calls from './calls.js'
import type { Session } from './session.js'
import { out } from './values.js'

/** What records of one form have in common: a class, or none, and the names of the fields in their order. */
export interface Shape {
  readonly id: number
  readonly className: string | undefined
  readonly names: readonly string[]
  /** Where each name is. */
  readonly indexes: ReadonlyMap<string, number>
}

/** A step from a class, name by name, to a shape. */
class Step {
  readonly next = new Map<string, Step>()
  shape: Shape | undefined
}

/** The shapes that a thread knows. */
export class Shapes {
  readonly #session: Session
  readonly #byId = new Map<number, Shape>()
  readonly #byNames = new Map<string | undefined, Step>()

  constructor(session: Session) {
    this.#session = session
  }

  /** Forgets all: some may have been taken back. */
  clear(): void {
    this.#byId.clear()
    this.#byNames.clear()
  }

  /** The shape of an id that a record has, where it is known already. */
  known(id: number): Shape | undefined {
    return this.#byId.get(id)
  }

  /** The shape of an id that a record has. What was read is lost. */
  of(id: number): Shape {
    const reader = calls.shape(this.#session.handle(), id)!
    const className = reader.value() as string | undefined
    const names: string[] = []
    while (reader.at < reader.end) names.push(reader.value() as string)
    return this.#add(id, className, names)
  }

  /** The shape of these names; undefined where the store takes no more shapes. What is in the writer is lost. */
  intern(className: string | undefined, names: readonly string[]): Shape | undefined {
    const step = this.#step(className, names)
    if (step.shape) return step.shape
    out.clear().primitive(className)
    for (const name of names) out.text(name)
    const id = calls.intern(this.#session.handle(), out)
    if (id === 0) return undefined
    if (this.#session.depth === 0) this.#session.current = false
    return this.#add(id, className, names)
  }

  /** The shape of a class, or of none, without fields. */
  bare(className: string | undefined): Shape {
    return this.intern(className, [])!
  }

  #step(className: string | undefined, names: readonly string[]): Step {
    let step = stepTo(this.#byNames, className)
    for (const name of names) step = stepTo(step.next, name)
    return step
  }

  #add(id: number, className: string | undefined, names: readonly string[]): Shape {
    const shape = { id, className, names, indexes: new Map(names.map((name, index) => [name, index])) }
    this.#byId.set(id, shape)
    this.#step(className, names).shape = shape
    return shape
  }
}

function stepTo<Key>(steps: Map<Key, Step>, key: Key): Step {
  let step = steps.get(key)
  if (!step) steps.set(key, (step = new Step()))
  return step
}
