/** How memory is going to be used, as it is told to the system. */

import { wrongType, wrongValue } from '../shared/errors.js'

/** How a range is going to be used: see {@link Region.advise}. */
export type Advice = 'normal' | 'random' | 'sequential' | 'willneed' | 'dontneed'

export const ACCESSES = ['normal', 'random', 'sequential'] as const
export const ADVICE = [...ACCESSES, 'willneed', 'dontneed'] as const

/** One of the names that are known. */
export function toOneOf<Name extends string>(name: string, value: Name, known: readonly Name[]): Name {
  if (typeof value !== 'string') throw wrongType(name, 'a string', value)
  if (known.includes(value)) return value
  const quoted = known.map((one) => `'${one}'`)
  throw wrongValue(name, `it must be ${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`)
}
