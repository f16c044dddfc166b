import { wrongType } from '../shared/errors.js'
import { native } from '../shared/native.js'
import type { Signal } from '../shared/signal.js'
import { Follower } from './follow.js'
import type { Opened } from './opened.js'
import { type ConsumeOptions, positionOf, toConsuming, toName } from './options.js'
import type { JournalRecord } from './records.js'

/** The most bytes that a handler gets at once, unless one record alone has more. */
const MOST = 16 << 20

/** What gets a record, or several. What waits for it is `consume`. */
export type Handler = (records: never) => unknown

/**
 * Has `handler` handle all records from a cursor on, and those that come, and commits the cursor behind what it has handled. A
 * journal that is closed ends it.
 */
export async function consume(journal: Opened, name: string, handler: Handler, options?: ConsumeOptions): Promise<void> {
  journal.handle()
  toName(name)
  if (typeof handler !== 'function') throw wrongType('handler', 'a function', handler)
  const { batch, signal } = toConsuming(options)
  if (signal?.aborted) throw signal.reason
  const unlock = lock(journal, name)
  try {
    const range = { from: positionOf(journal, name), to: Infinity, limit: Infinity, skipDamaged: false }
    const follower = new Follower(journal, range, signal)
    for await (const record of follower) {
      const { records, failure } = batch === undefined ? { records: [record] } : withOthers(record, follower, batch)
      await handle(handler, batch === undefined ? record : records, signal)
      // The handler may have closed the journal: the records are handled again then.
      if (journal.closed) return
      native.journalCommitCursor(journal.handle(), name, records.at(-1)!.sequence + 1, false)
      if (failure !== undefined) throw failure
    }
  } finally {
    unlock()
  }
}

async function handle(handler: Handler, records: JournalRecord | JournalRecord[], signal: Signal | undefined): Promise<void> {
  try {
    await handler(records as never)
  } catch (error) {
    throw signal?.aborted ? signal.reason : error
  }
}

/** Records for one call, and why there is no next one. */
interface Batch {
  readonly records: JournalRecord[]
  readonly failure?: unknown
}

/** A record and those that are there behind it, up to one that cannot be read. */
function withOthers(record: JournalRecord, follower: Follower, most: number): Batch {
  const records = [record]
  let bytes = record.data.length
  try {
    while (records.length < most && bytes < MOST) {
      const next = follower.take()
      if (next === undefined) break
      records.push(next)
      bytes += next.data.length
    }
  } catch (failure) {
    return { records, failure }
  }
  return { records }
}

/** Keeps others from consuming by a cursor, until the function that this returns is called, or the journal closed. */
function lock(journal: Opened, name: string): () => void {
  const number = native.journalLockCursor(journal.handle(), name)
  const release = () => native.journalUnlockCursor(number)
  const ignoreClose = journal.onClose(release)
  return () => {
    ignoreClose()
    release()
  }
}
