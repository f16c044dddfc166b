/** Looks for a text in the keys and values of a store. */

import { setImmediate } from 'node:timers/promises'
import { contentsOf } from '../../../ts/objects/contents.js'
import { rootOf } from '../../../ts/cli/object-steps.js'
import type { Session } from '../../../ts/objects/session.js'
import { KIND, Reference } from '../../../ts/objects/values.js'
import type { OpenedStore } from './opened-store.js'

/** A find: the places that lead to it from the root, one in the other. */
interface Found {
  readonly places: readonly number[]
}

/** How far it is, and whether it has passed all. */
interface Passed {
  readonly passed: number
  readonly isAll?: true
}

/** A container, of which some is passed. */
interface Open {
  readonly reference: Reference
  readonly contents: Iterator<[unknown, unknown]>
  place: number
}

/** So many entries are passed in one turn of the event loop. */
const TURN = 5000

/** What has the text, in the order of the tree; and now and then how many entries were passed. */
export async function* search(store: OpenedStore, text: string, signal: AbortSignal): AsyncGenerator<Found | Passed> {
  const wanted = text.toLowerCase()
  const seen = new Set<number>()
  const open: Open[] = []
  const enter = (session: Session, value: unknown) => {
    if (!(value instanceof Reference) || seen.has(value.id)) return
    seen.add(value.id)
    open.push({ reference: value, contents: contentsOf(session, value)[Symbol.iterator](), place: -1 })
  }
  enter(store.session, rootOf(store.session))
  let passed = 0
  for (let last = open.at(-1); last; last = open.at(-1)) {
    const { value: entry, done } = last.contents.next()
    if (done) {
      open.pop()
      continue
    }
    last.place += 1
    passed += 1
    const [key, value] = entry as [unknown, unknown]
    if (has(value, wanted) || (isNamed(last.reference) && has(key, wanted))) yield { places: open.map(({ place }) => place) }
    if (passed % TURN === 0) {
      yield { passed }
      await setImmediate(undefined, { signal })
    }
    enter(store.session, value)
  }
  yield { passed, isAll: true }
}

/** Whether the keys of a container are more than places. */
function isNamed({ kind }: Reference): boolean {
  return kind !== KIND.array && kind !== KIND.set
}

function has(value: unknown, wanted: string): boolean {
  if (typeof value === 'string') return value.toLowerCase().includes(wanted)
  if (value instanceof Date) return !Number.isNaN(value.getTime()) && value.toISOString().toLowerCase().includes(wanted)
  if (Array.isArray(value)) return value.some((part) => has(part, wanted))
  return (typeof value !== 'object' || value === null) && String(value).includes(wanted)
}
