/** A journal: its records, when they came, and those that come. */

import { setTimeout } from 'node:timers/promises'
import * as journals from '../../../ts/journal/journals.js'
import type { Journal } from '../../../ts/journal/journal.js'
import type { JournalRecord } from '../../../ts/journal/records.js'
import type { Query, View } from './view.js'

/** How much of a record its line shows, in bytes, and how much of it is ever shown. */
const [PREVIEW, MOST] = [300, 1 << 20]

/** How many records are answered at once, and into how many parts the time is divided. */
const [RECORDS, PARTS] = [200, 120]

/** How often it is looked for more, in milliseconds. */
const INTERVAL = 50

export function journalView(path: string): View {
  let journal: Journal | undefined
  // Where it cannot be, the page says why.
  const open = () => (journal ??= journals.open(path, { readonly: true }))
  return {
    answers: {
      state: () => stateOf(open()),
      records: (query: Query) => recordsOf(open(), query.number('from'), query.count(RECORDS)),
      record: (query: Query) => {
        const record = open().get(query.number('sequence'))
        return record && { ...headOf(record), ...contentOf(record.data.subarray(0, MOST)) }
      },
      axis: () => axisOf(open()),
    },
    streams: {
      follow: (_, signal) => follow(open(), signal),
    },
    close: () => journal?.close(),
  }
}

function stateOf({ first: oldest, next }: Journal): { first: number; next: number } {
  return { first: oldest, next }
}

/** How far it goes, each time that this is further. It is looked at: `follow` of the library leaves a mark of those that wait in the file. */
async function* follow(journal: Journal, signal: AbortSignal): AsyncGenerator<object> {
  for (let told: number | undefined; ; ) {
    const state = stateOf(journal)
    if (state.next !== told) yield state
    told = state.next
    await setTimeout(INTERVAL, undefined, { signal })
  }
}

/** The lines of records; those that are damaged are not there. */
function recordsOf(journal: Journal, wanted: number, count: number): object[] {
  const from = Math.max(wanted, journal.first)
  const to = Math.min(wanted + count, journal.next)
  if (from >= to) return []
  return [...journal.read({ from, to, skipDamaged: true })].map((record) => ({ ...headOf(record), ...contentOf(record.data.subarray(0, PREVIEW)) }))
}

function headOf({ sequence, timestamp, data }: JournalRecord): object {
  return { sequence, time: timestamp / 1000, size: data.length }
}

/** Text where it may be some, cut in a character or not; or bytes. */
function contentOf(data: Buffer): object {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data, { stream: true }) }
  } catch {
    return { base64: data.toString('base64') }
  }
}

/** The times of the oldest and the newest record, and the first record of each part between them. */
function axisOf(journal: Journal): object | undefined {
  const [from, to] = [timeAt(journal, journal.first, false), timeAt(journal, journal.next, true)]
  if (from === undefined || to === undefined) return undefined
  const parts = to > from ? PARTS : 1
  const starts = [journal.first]
  for (let part = 1; part < parts; part += 1) {
    const time = new Date(from + ((to - from) * part) / parts)
    const [record] = journal.read({ from: time, limit: 1, skipDamaged: true })
    starts.push(record?.sequence ?? journal.next)
  }
  return { from, to, starts, next: journal.next }
}

/** When the first sound record from one on came, or the last one before it. */
function timeAt(journal: Journal, sequence: number, isBefore: boolean): number | undefined {
  const range = isBefore ? { from: Math.max(journal.first, sequence - 1) } : { from: sequence }
  const [record] = journal.read({ ...range, limit: 1, skipDamaged: true })
  return record && Math.floor(record.timestamp / 1000)
}
