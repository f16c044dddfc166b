import { illegalConstructor } from './errors.js'

/** What this package's own functions construct with. Nobody else has it. */
export const INSIDE: unique symbol = Symbol('inside')

/** Refuses what others construct: it would have a handle of their choice. */
export function requireInside(key: unknown, name: string, makers: string): void {
  if (key !== INSIDE) throw illegalConstructor(name, makers)
}
