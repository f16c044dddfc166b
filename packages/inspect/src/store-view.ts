/** A store: its tree, branch by branch, and search. */

import { rootOf } from '../../../ts/cli/object-steps.js'
import { stepIn } from '../../../ts/objects/contents.js'
import type { Session } from '../../../ts/objects/session.js'
import { KIND, type Reference } from '../../../ts/objects/values.js'
import { bytesView } from './bytes-view.js'
import { OpenedStore } from './opened-store.js'
import { type Entry, Places } from './places.js'
import { search } from './search.js'
import { referenceOf, shown, textOf } from './shown.js'
import type { Query, View } from './view.js'

/** How many entries are answered at once, how much of a value, and how many finds. */
const [ENTRIES, LENGTH, FINDS] = [200, 1 << 20, 200]

export function storeView(path: string): View {
  const opened = new OpenedStore(path)
  return {
    answers: {
      ...bytesView(path).answers,
      root: () => {
        using _ = opened.hold()
        const { session, commits } = opened
        return { commits, root: shown(session, rootOf(session)) }
      },
      entries: async (query: Query) => {
        using _ = opened.hold()
        return { commits: opened.commits, entries: await entriesOf(opened, query) }
      },
      value: async (query: Query) => {
        using _ = opened.hold()
        const [entry] = await read(opened, referenceOf(query.text('of')), query.number('from'), 1)
        return entry && whole(entry[1])
      },
    },
    streams: {
      search: (query, signal) => finds(opened, query.text('text'), signal),
    },
    close: () => opened.close(),
  }
}

function read(opened: OpenedStore, reference: Reference, from: number, count: number): Promise<Entry[]> {
  const { places } = opened
  const known = places.get(reference.id) ?? new Places(reference)
  places.set(reference.id, known)
  return known.read(() => opened.session, from, count)
}

async function entriesOf(opened: OpenedStore, query: Query): Promise<object[]> {
  const reference = referenceOf(query.text('of'))
  const entries = await read(opened, reference, query.number('from'), query.count(ENTRIES))
  const { session } = opened
  return entries.map(([key, value]) => ({ ...namedBy(session, reference, key), value: shown(session, value) }))
}

/** What a line and a path call an entry: one of a set has no name. */
function namedBy(session: Session, reference: Reference, key: unknown): object {
  if (reference.kind === KIND.set) return { step: '' }
  const isField = reference.kind === KIND.object || reference.kind === KIND.instance
  return { key: isField ? key : shown(session, key).text, step: stepIn(reference, key) }
}

/** All of a value, or very much of it. */
function whole(value: unknown): { text: string; base64?: string } {
  if (typeof value === 'string') return { text: value.slice(0, LENGTH) }
  if (!ArrayBuffer.isView(value) && !(value instanceof ArrayBuffer)) return { text: textOf(value, LENGTH) }
  const bytes = ArrayBuffer.isView(value) ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : Buffer.from(value)
  return { text: textOf(value, 1000), base64: bytes.subarray(0, LENGTH).toString('base64') }
}

/** The first finds. The store is open meanwhile. */
async function* finds(opened: OpenedStore, text: string, signal: AbortSignal): AsyncGenerator<object> {
  using _ = opened.hold()
  let count = 0
  for await (const found of search(opened, text, signal)) {
    yield found
    count += 'places' in found ? 1 : 0
    if (count === FINDS) return
  }
}
