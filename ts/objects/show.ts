/** How `console.log` and `util.inspect` show live objects. */

import { type InspectOptions, inspect } from 'node:util'
import type { Pick } from './iterators.js'
import type { Container } from './session.js'

/** What of a container is shown. */
export interface Glance {
  /** A plain object of its kind, with the first of what is in it. */
  readonly plain: object
  /** How many there are, where that may be more. */
  readonly size?: number
}

/** What is read, to be shown; where it cannot be, what says so. */
export function shownOf(read: () => unknown): unknown {
  try {
    return read()
  } catch (error) {
    const { className, code, name } = error as NodeJS.ErrnoException & { className?: string }
    const text = className === undefined ? `<${code ?? name}>` : `<unknown class ${JSON.stringify(className)}>`
    return { [inspect.custom]: () => text }
  }
}

export const pickShown: Pick<[unknown, unknown]> = (steps) => [shownOf(() => steps.key), shownOf(() => steps.value)]
export const pickShownKey: Pick<unknown> = (steps) => shownOf(() => steps.key)

/** Those that are being shown: one that comes again is a circle. */
const shown = new Set<Container>()

/** The method of a live object that the runtime's inspector asks for. */
export function show(container: Container, name: string) {
  return (depth: number, options: InspectOptions): string => {
    if (depth < 0) return `[${name}]`
    if (shown.has(container)) return '[Circular]'
    shown.add(container)
    try {
      return `live ${shownAs(container, { ...options, depth })}`
    } catch (error) {
      return `live ${name} <${(error as NodeJS.ErrnoException).code}>`
    } finally {
      shown.delete(container)
    }
  }
}

function shownAs(container: Container, options: InspectOptions): string {
  const most = options.maxArrayLength ?? Infinity
  const { plain, size = 0 } = container.glance(most)
  const text = inspect(plain, { ...options, maxArrayLength: null })
  if (size <= most) return text
  const named = text.replace(/^(\w+)\(\d+\)/, `$1(${size})`)
  const end = named.search(/\s*[\]}]$/)
  return `${named.slice(0, end)}, ... ${size - most} more items${named.slice(end)}`
}
