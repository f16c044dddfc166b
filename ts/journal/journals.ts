/**
 * Durable sequences of records: a folder each.
 *
 * @module journal
 */

import { type Path, textOf, toPath } from '../shared/arguments.js'
import { native } from '../shared/native.js'
import { type Journal, newJournal } from './journal.js'
import { Opened } from './opened.js'
import { type OpenOptions, toOpenArguments } from './options.js'

export { Cursor } from './cursor.js'
export { Journal } from './journal.js'
export type { Bytes, Data, FileURL, Path, Size } from '../shared/arguments.js'
export type { Signal } from '../shared/signal.js'
export type {
  AppendOptions,
  CommitOptions,
  ConsumeOptions,
  FollowOptions,
  From,
  OpenOptions,
  ReadOptions,
  ReadStreamOptions,
  WriteStreamOptions,
} from './options.js'
export type { JournalRecord } from './records.js'

/** What {@link check} finds. */
export interface Report {
  /** Whether nothing is damaged. */
  sound: boolean
  /** How many records are sound. */
  records: number
  /** How many bytes they take. */
  bytes: number
  /** How many files there are. */
  segments: number
  /** How many bytes an interrupted write left behind, which opening for writing cuts; absent where there are none. */
  torn?: number
  /** What is damaged; absent where nothing is. */
  damage?: Damage[]
}

/** A damaged place. */
export interface Damage {
  /** The file. */
  file: string
  /** Where in it, in bytes. */
  offset: number
  /** The sequence that was expected there. */
  sequence: number
  /** What is wrong. */
  what: string
}

/**
 * Opens a journal, or makes it where there is none. What a crash interrupted is cut, which `recovered` tells of. Where this process
 * has it open for writing already, the handle shares it, with the options of the first opening.
 *
 * @throws `EAGAIN` where another process has it open for writing; `ERR_PMEM_CORRUPT` where it is damaged, with `path`, `offset` and
 * `sequence`, and it is left as it is; `ENOENT` where it is missing and `create` is false; `ENOTEMPTY` for a folder of something
 * else; `ERR_PMEM_UNSUPPORTED` for writing over a network.
 *
 * @example
 * import { journal } from 'pmem'
 *
 * const events = journal.open('events', { maxBytes: 1 << 30 })
 * console.log(events.append('started')) // => 0
 * events.close()
 */
export function open(folder: Path, options?: OpenOptions): Journal {
  const { flags, maxPending } = toOpenArguments(options)
  const bytes = toPath('folder', folder)
  const { handle, torn, uuid } = native.journalOpen(bytes, flags)
  const opened = new Opened(handle, textOf(bytes), flags.readonly)
  if (maxPending !== undefined) native.journalLimitPending(handle, maxPending)
  return newJournal(opened, uuid, torn)
}

/**
 * What of a journal is sound and what is not. It changes nothing, and works beside whoever has it open.
 *
 * @throws Errors of the operating system, such as `ENOENT`.
 */
export function check(folder: Path): Report {
  const { records, bytes, segments, torn, damage } = native.journalCheck(toPath('folder', folder))
  return {
    sound: damage.length === 0,
    records,
    bytes,
    segments,
    ...(torn > 0 && { torn }),
    ...(damage.length > 0 && { damage }),
  }
}
