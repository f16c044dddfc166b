/** The options of journals, and their checks. */

import { types } from 'node:util'
import { type Size, toBoolean, toInteger } from '../shared/arguments.js'
import { outOfRange, wrongType, wrongValue } from '../shared/errors.js'
import { native } from '../shared/native.js'
import { type Names, toOptions } from '../shared/options.js'
import { type Signal, toSignal } from '../shared/signal.js'
import { ANY, first, next } from './calls.js'
import type { Opened } from './opened.js'
import type { Range } from './records.js'

/** How a journal is opened. */
export interface OpenOptions {
  /** A journal is made where there is none. Default: true, unless it is readonly. */
  create?: boolean
  /** Records are read only, also beside a process that appends. Default: false. */
  readonly?: boolean
  /** The size of large segments, in bytes: a file each. Default: 64 MiB. */
  segmentSize?: Size
  /**
   * How many bytes all segments may have. The oldest records go to make room; where a cursor has not come to them yet, `append` throws
   * `ENOSPC`, which names it, unless `dropUnread`. Default: no limit.
   */
  maxBytes?: Size
  /** How old records may become, in milliseconds: those of a segment go together, once its last one is older. Default: no limit. */
  maxAge?: Size
  /** Records go by `maxBytes` and `maxAge` also where a cursor has not come to them yet. Default: false. */
  dropUnread?: boolean
  /** The sequence of a new journal's first record. Default: 0. */
  firstSequence?: Size
  /**
   * How many bytes asynchronous calls may have waiting to be written, on all handles of the journal: one more is rejected at
   * once with `ERR_PMEM_BUSY`. Default: 64 MiB.
   */
  maxPending?: Size
  /** The permissions of new files, subject to the umask. Default: 0o666. */
  mode?: number
}

const OPEN_OPTIONS: Names<OpenOptions> = {
  create: true,
  readonly: true,
  segmentSize: true,
  maxBytes: true,
  maxAge: true,
  dropUnread: true,
  firstSequence: true,
  maxPending: true,
  mode: true,
}

/** How records are appended. */
export interface AppendOptions {
  /**
   * The sequence that the record, or the first one, must get, counting appends that still wait: otherwise nothing is appended,
   * and the error is `ERR_PMEM_CONFLICT`, whose `next` is the one it would get.
   */
  expected?: Size
  /**
   * With false, the record survives the end of the process, but no power failure, and readers do not see it, until a
   * later durable append or a flush makes it durable too. Default: true.
   */
  durable?: boolean
}

const APPEND_OPTIONS: Names<AppendOptions> = { expected: true, durable: true }

/** Where reading begins: a sequence; a time, which means the first record at or after it; or the name of a cursor. */
export type From = Size | Date | string

/** What part of a journal is read. */
export interface ReadOptions {
  /** Default: the oldest record. */
  from?: From
  /** The first sequence that is not read. Default: the journal's `next` at the call. */
  to?: Size
  /** How many records are read at most. Default: no limit. */
  limit?: Size
  /** Records that are damaged are passed over; otherwise they are an error, `ERR_PMEM_CORRUPT`. Default: false. */
  skipDamaged?: boolean
}

const READ_OPTIONS: Names<ReadOptions> = { from: true, to: true, limit: true, skipDamaged: true }

/** How a journal is followed. */
export interface FollowOptions {
  /** Default: the oldest record. With `journal.next`, what comes from now on. */
  from?: From
  /** Ends it: what waits throws the signal's `reason`. */
  signal?: Signal
}

const FOLLOW_OPTIONS: Names<FollowOptions> = { from: true, signal: true }

/** What a stream of records gives. */
export interface ReadStreamOptions extends ReadOptions {
  /** The stream does not end with what is there, but waits for what comes; `to` and `limit` still end it. Default: false. */
  follow?: boolean
  /** Destroys the stream, as Node.js's streams have it. */
  signal?: Signal
  /** How many records are read ahead. Default: 16. */
  highWaterMark?: number
}

const READ_STREAM_OPTIONS: Names<ReadStreamOptions> = { ...READ_OPTIONS, follow: true, signal: true, highWaterMark: true }

/** How a stream of records is taken. */
export interface WriteStreamOptions {
  /** How many records may wait before `write` returns false. Default: 1024. */
  highWaterMark?: number
  /** Destroys the stream, as Node.js's streams have it. */
  signal?: Signal
}

const WRITE_STREAM_OPTIONS: Names<WriteStreamOptions> = { highWaterMark: true, signal: true }

/** How records are consumed. */
export interface ConsumeOptions {
  /** The handler gets arrays of at most so many records. Default: it gets one record at a time. */
  batch?: Size
  /** Ends it, once the handler is done: `consume` rejects with the signal's `reason`. */
  signal?: Signal
}

const CONSUME_OPTIONS: Names<ConsumeOptions> = { batch: true, signal: true }

/** How a cursor is moved. */
export interface CommitOptions {
  /** It may go back. Default: false. */
  force?: boolean
}

const COMMIT_OPTIONS: Names<CommitOptions> = { force: true }

/** How the native side opens a journal, and how many bytes may wait, where that is said. */
export function toOpenArguments(options: OpenOptions | undefined) {
  const { readonly = false, segmentSize = 64 << 20, dropUnread = false, firstSequence = 0, mode = 0o666, ...rest } = toOptions(options, OPEN_OPTIONS)
  const { create = !readonly, maxBytes, maxAge, maxPending } = rest
  const flags = {
    create: toBoolean('create', create),
    readonly: toBoolean('readonly', readonly),
    segmentSize: toInteger('segmentSize', segmentSize, 1),
    ...(maxBytes !== undefined && { maxBytes: toInteger('maxBytes', maxBytes, 1) }),
    ...(maxAge !== undefined && { maxAge: toInteger('maxAge', maxAge, 0, MOST_AGE) * 1000 }),
    dropUnread: toBoolean('dropUnread', dropUnread),
    firstSequence: toInteger('firstSequence', firstSequence),
    mode: toInteger('mode', mode, 0, 0o7777),
  }
  if (readonly && create) throw wrongValue('options.readonly', 'a journal that is made is written')
  return { flags, maxPending: maxPending === undefined ? undefined : toInteger('maxPending', maxPending) }
}

/** In milliseconds: so many microseconds are a safe integer. */
const MOST_AGE = Math.floor(Number.MAX_SAFE_INTEGER / 1000)

/** What an append does by default. */
const APPEND = { expected: ANY, durable: true }

export function toAppend(options: AppendOptions | undefined): { expected: number; durable: boolean } {
  if (options === undefined) return APPEND
  const { expected, durable = true } = toOptions(options, APPEND_OPTIONS)
  return { expected: expected === undefined ? ANY : toInteger('expected', expected), durable: toBoolean('durable', durable) }
}

/** What is read of a journal now. */
export function toRange(journal: Opened, options: ReadOptions | undefined): Range {
  const { from, to, limit, skipDamaged } = toOptions(options, READ_OPTIONS)
  return rangeOf(journal, { from, to, limit, skipDamaged }, next(journal.handle()))
}

function rangeOf(journal: Opened, { from, to, limit, skipDamaged = false }: ReadOptions, most: number): Range {
  return {
    from: toSequence(journal, from),
    to: to === undefined ? most : Math.min(toInteger('to', to), most),
    limit: limit === undefined ? Infinity : toInteger('limit', limit),
    skipDamaged: toBoolean('skipDamaged', skipDamaged),
  }
}

/** What is followed of a journal. */
export function toFollowing(journal: Opened, options: FollowOptions | undefined): { range: Range; signal: Signal | undefined } {
  const { from, signal } = toOptions(options, FOLLOW_OPTIONS)
  return { range: rangeOf(journal, { from }, Infinity), signal: toSignal('signal', signal) }
}

export function toReadStream(journal: Opened, options: ReadStreamOptions | undefined) {
  const { from, to, limit, skipDamaged, follow = false, signal, highWaterMark } = toOptions(options, READ_STREAM_OPTIONS)
  const most = toBoolean('follow', follow) ? Infinity : next(journal.handle())
  if (follow && skipDamaged === true) throw wrongValue('options.skipDamaged', 'a stream that follows passes over nothing')
  const range = rangeOf(journal, { from, to, limit, skipDamaged }, most)
  return { range, follow, ...toStreaming(signal, highWaterMark ?? 16) }
}

export function toWriteStream(options: WriteStreamOptions | undefined) {
  const { signal, highWaterMark } = toOptions(options, WRITE_STREAM_OPTIONS)
  return toStreaming(signal, highWaterMark ?? 1024)
}

/** What Node.js's streams take: options, and a signal that destroys them once they are made. */
function toStreaming(signal: Signal | undefined, highWaterMark: number) {
  const how = { objectMode: true, highWaterMark: toInteger('highWaterMark', highWaterMark) }
  return { how, signal: toSignal('signal', signal) as AbortSignal | undefined }
}

export function toConsuming(options: ConsumeOptions | undefined): { batch: number | undefined; signal: Signal | undefined } {
  const { batch, signal } = toOptions(options, CONSUME_OPTIONS)
  return { batch: batch === undefined ? undefined : toInteger('batch', batch, 1), signal: toSignal('signal', signal) }
}

export function toForce(options: CommitOptions | undefined): boolean {
  return toBoolean('force', toOptions(options, COMMIT_OPTIONS).force ?? false)
}

/** The name of a cursor, of which the native side says whether it can be one. */
export function toName(name: string): string {
  if (typeof name === 'string') return name
  throw wrongType('name', 'a string', name)
}

/** The position of a cursor; a new one begins with the oldest record. */
export function positionOf(journal: Opened, name: string): number {
  return native.journalCursor(journal.handle(), name) ?? first(journal.handle())
}

/** Where reading begins now. */
function toSequence(journal: Opened, from: From | undefined): number {
  if (from === undefined) return first(journal.handle())
  if (typeof from === 'string') return positionOf(journal, from)
  if (types.isDate(from)) return native.journalLocate(journal.handle(), toTime(from))
  if (typeof from !== 'number' && typeof from !== 'bigint') throw wrongType('from', 'an integer, a Date or the name of a cursor', from)
  const sequence = toInteger('from', from)
  const most = next(journal.handle())
  if (sequence > most) throw outOfRange('from', `<= ${most}, which is the journal's next`, from)
  return sequence
}

/** In microseconds since 1970. */
function toTime(date: Date): number {
  const time = date.getTime()
  if (Number.isNaN(time)) throw wrongValue('from', 'the Date is invalid')
  return Math.max(0, time * 1000)
}
