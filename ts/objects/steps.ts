/** How messages name what is in a container. */

import { inspect } from 'node:util'

/** A key as it stands in code. */
export function show(key: unknown): string {
  if (typeof key === 'string') return inspect(key.length > 40 ? `${key.slice(0, 40)}...` : key)
  if (typeof key === 'bigint') return `${key}n`
  return typeof key === 'object' && key !== null ? describe(key) : String(key)
}

/** The step to a field. */
export function stepOf(name: string): string {
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name) ? `.${name}` : `[${inspect(name)}]`
}

/** The step to an entry of a map. */
export function stepTo(key: unknown): string {
  return `.get(${show(key)})`
}

/** What an object is. */
export function describe(object: object): string {
  const name = (object as { constructor?: { name?: unknown } }).constructor?.name
  return typeof name === 'string' && name ? `an instance of ${name}` : 'such an object'
}
