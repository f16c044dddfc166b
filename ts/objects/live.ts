/** Live objects: one for each container that this thread holds. */

import { type Container, type Session, containers } from './session.js'
import { type Kind, Reference } from './values.js'

/** Makes the live object of a container that has none, and says what is to be done once it is known. */
type Maker = (session: Session, id: number) => object

const makers = new Map<Kind, Maker>()

/** Says how the live objects of a kind are made. */
export function makeBy(kind: Kind, maker: Maker): void {
  makers.set(kind, maker)
}

/** The live object of a container. */
export function liveObject(session: Session, kind: Kind, id: number): object {
  return session.liveOf(id) ?? makers.get(kind)!(session, id)
}

/** A value as it is given to the caller. */
export function revive(session: Session, value: unknown): unknown {
  return value instanceof Reference ? liveObject(session, value.kind, value.id) : value
}

/** Keeps the live object of a container. */
export function keepLive<T extends object>(container: Container, object: T): T {
  containers.set(object, container)
  container.session.keep(container, object)
  return object
}

/** The container behind `this`, of the class that the method is of. */
export function containerOf<T extends Container>(object: unknown, type: new (...args: never[]) => T, method: string): T {
  const container = containers.get(object as object)
  if (container instanceof type) return container
  throw new TypeError(`Method ${method} called on incompatible receiver ${typeof object === 'object' ? 'object' : String(object)}`)
}
