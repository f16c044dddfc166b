/** How messages name what lies in a store. */

import * as calls from './calls.js'
import { contentsOf, stepIn } from './contents.js'
import type { Container, Session } from './session.js'
import { KIND, type Kind, Reference } from './values.js'

/** How many containers are looked at for the way to one. */
const MOST = 1000

/** What containers are called. */
const NAMES: Record<Kind, string> = {
  [KIND.map]: 'a Map',
  [KIND.set]: 'a Set',
  [KIND.sortedMap]: 'a SortedMap',
  [KIND.array]: 'an Array',
  [KIND.object]: 'an object',
  [KIND.instance]: 'an instance',
}

/** The way from the root to a container, where it is soon found; otherwise what it is. */
export function pathOf(container: Container): string {
  if (container.id === 0) return `(${NAMES[container.kind]})`
  try {
    return find(container.session, container.id) ?? `(${NAMES[container.kind]})`
  } catch {
    return `(${NAMES[container.kind]})`
  }
}

function find(session: Session, wanted: number): string | undefined {
  session.look()
  const root = calls.root(session.handle())?.value()
  if (!(root instanceof Reference)) return undefined
  const seen = new Map([[root.id, 'root']])
  const queue = [root]
  for (let next = queue.shift(); next && seen.size < MOST; next = queue.shift()) {
    const path = seen.get(next.id)!
    if (next.id === wanted) return path
    for (const [key, value] of contentsOf(session, next)) {
      if (!(value instanceof Reference) || seen.has(value.id)) continue
      seen.set(value.id, path + stepIn(next, key))
      queue.push(value)
      if (seen.size === MOST) break
    }
  }
  return seen.get(wanted)
}
