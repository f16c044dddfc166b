/** What is in the containers of a store, as it is in the file: also instances of classes that nobody knows here. */

import * as calls from '../objects/calls.js'
import { contentsOf, stepIn } from '../objects/contents.js'
import { readShaped } from '../objects/reading.js'
import type { Session } from '../objects/session.js'
import { KIND, Reference } from '../objects/values.js'
import { Failure } from './command.js'

/** One step: to a field, an item, or an entry of a map. */
export interface Step {
  readonly field?: string
  readonly index?: number
  readonly entry?: unknown
}

/** What everything is reached from; null in a new store. */
export function rootOf(session: Session): unknown {
  session.look()
  return calls.root(session.handle())?.value() ?? null
}

/** What steps lead to. */
export function at(session: Session, steps: readonly Step[]): unknown {
  let [value, path] = [rootOf(session), 'root']
  for (const step of steps) {
    if (!(value instanceof Reference)) throw new Failure(`${path} is ${typeof value}, in which nothing is`)
    const key = keyOf(value, step)
    path += stepIn(value, key)
    value = entryOf(session, value, key, path)
  }
  return value
}

/** The key that a step means in a container: a field of a Map is an entry. */
export function keyOf({ kind }: Reference, step: Step): unknown {
  if ('entry' in step) return step.entry
  if (step.index !== undefined) return kind === KIND.object || kind === KIND.instance ? String(step.index) : step.index
  return step.field
}

function entryOf(session: Session, container: Reference, wanted: unknown, path: string): unknown {
  for (const [key, value] of contentsOf(session, container)) if (isSame(key, wanted)) return value
  throw new Failure(`there is no ${path}`)
}

function isSame(key: unknown, wanted: unknown): boolean {
  if (Array.isArray(key)) return Array.isArray(wanted) && key.length === wanted.length && key.every((part, index) => isSame(part, wanted[index]))
  if (key instanceof Date) return key.toISOString() === wanted
  return Object.is(key, wanted)
}

/** The class of an instance, by the name that its store has of it. */
export function classOf(session: Session, { id }: Reference): string {
  return readShaped(session, id).shape.className ?? 'Object'
}
