/** Objects of named options. A name that no option has is refused: what it was meant to do would not happen. */

import { wrongType, wrongValue } from './errors.js'

/** The names of all options of a kind, beside whose interface they stand. */
export type Names<Options> = Readonly<Record<keyof Options, true>>

/** The object of named options; an absent one is empty. */
export function toOptions<T extends object>(value: T | undefined, names: Names<T>): Partial<T> {
  if (value === undefined) return {}
  if (typeof value !== 'object' || value === null) throw wrongType('options', 'an object', value)
  // oxlint-disable-next-line guard-for-in -- inherited options count like others
  for (const name in value) if (!Object.hasOwn(names, name)) throw unknown(name, Object.keys(names))
  return value
}

function unknown(name: string, names: readonly string[]): TypeError {
  const [nearest = ''] = names.toSorted((one, other) => distance(name, one) - distance(name, other))
  return wrongValue(`options.${name}`, `there is no such option. Did you mean ${nearest}? There are ${names.join(', ')}`)
}

/**
 * How many letters are to be changed, left out or put in to make one word the other; the case of
 * letters counts half, and so does what is around a word.
 */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (const [i, letter] of [...one].entries()) {
    const next = [i + 1]
    for (const [j, target] of [...other].entries()) {
      const change = letter === target ? 0 : letter.toLowerCase() === target.toLowerCase() ? 0.5 : 1
      next.push(Math.min(row[j]! + change, row[j + 1]! + 1, next[j]! + 1))
    }
    row = next
  }
  const [lower, target] = [one.toLowerCase(), other.toLowerCase()]
  return row.at(-1)! / (lower.includes(target) || target.includes(lower) ? 2 : 1)
}
