/** Values in a form in which they are compared. */

import { inspect, isDeepStrictEqual } from 'node:util'

/**
 * A value, plain or live, in a form that shows, when it is compared, the kinds and the order of all that is in it, and which
 * parts are the same object.
 */
export function formOf(value: unknown, seen = new Map<object, number>()): unknown {
  if (typeof value !== 'object' || value === null) return value
  const known = seen.get(value)
  if (known !== undefined) return `object ${known} again`
  seen.set(value, seen.size)
  const form = (part: unknown) => formOf(part, seen)
  const pairs = (entries: Iterable<[unknown, unknown]>) => [...entries].map(([key, part]) => [form(key), form(part)])
  if (value instanceof Date) return ['Date', value.getTime()]
  if (value instanceof ArrayBuffer) return ['ArrayBuffer', Buffer.from(value).toString('hex')]
  if (ArrayBuffer.isView(value)) return [tagOf(value), Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')]
  if (Array.isArray(value)) return ['Array', pairs(Object.entries(value)), value.length]
  if (value instanceof Map) return ['Map', pairs(value)]
  if (value instanceof Set) return ['Set', [...value].map(form)]
  return ['Object', pairs(Object.entries(value))]
}

function tagOf(value: object): string {
  return Object.prototype.toString.call(value).slice('[object '.length, -1)
}

/** Where two forms differ first. */
export function difference(found: unknown, expected: unknown, path = ''): string | undefined {
  if (isDeepStrictEqual(found, expected)) return undefined
  if (!Array.isArray(found) || !Array.isArray(expected)) return `at ${path} is ${inspect(found)} instead of ${inspect(expected)}`.slice(0, 1000)
  for (const [index, part] of found.entries()) {
    const step = Array.isArray(part) && typeof part[0] === 'string' && path.length < 500 ? `${index}:${part[0].slice(0, 20)}` : `${index}`
    const deeper = difference(part, expected[index], `${path}/${step}`)
    if (deeper !== undefined) return deeper
  }
  return `at ${path} are ${found.length} instead of ${expected.length}: ${inspect(found)} and ${inspect(expected)}`.slice(0, 1000)
}
