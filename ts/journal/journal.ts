import type { Readable, Writable } from 'node:stream'
import { type Data, type Size, toBytes, toInteger } from '../shared/arguments.js'
import { gathering, stage, stageText, staging } from '../shared/frame.js'
import { type Gathered, gatherRecords } from '../shared/gather.js'
import { INSIDE, requireInside } from '../shared/inside.js'
import { inspectAs } from '../shared/inspect.js'
import { iterate } from '../shared/iterator.js'
import { native } from '../shared/native.js'
import * as calls from './calls.js'
import { type Handler, consume } from './consume.js'
import { type Cursor, newCursor } from './cursor.js'
import { Follower } from './follow.js'
import type { Opened } from './opened.js'
import {
  type AppendOptions,
  type ConsumeOptions,
  type FollowOptions,
  type ReadOptions,
  type ReadStreamOptions,
  type WriteStreamOptions,
  positionOf,
  toAppend,
  toFollowing,
  toName,
  toRange,
} from './options.js'
import { type JournalRecord, RecordScan, readOne } from './records.js'
import { RecordReader, RecordWriter } from './streams.js'

/** Makes a journal of what the native side gave. */
export let newJournal: (opened: Opened, uuid: string, torn: number) => Journal

/**
 * A durable sequence of records in a folder. {@link open} makes it.
 *
 * Records have sequences, which count up without gaps and are never used again. One process appends, any number of processes
 * read. Handles on the same folder in one process, also those of workers, share the journal. After `close` every use throws
 * `ERR_PMEM_CLOSED`, except `closed`, `path`, `readonly`, `uuid`, `recovered` and closing again.
 *
 * @example
 * import { journal } from 'pmem'
 *
 * const events = journal.open('events')
 * events.append(JSON.stringify({ type: 'started' }))
 * for (const record of events) console.log(record.sequence, record.text()) // => 0 {"type":"started"}
 * events.close()
 */
export class Journal implements Disposable, AsyncDisposable, Iterable<JournalRecord> {
  readonly #opened: Opened
  /**
   * What names the journal, from when it was made on: `'01234567-89ab-cdef-0123-456789abcdef'`. A copy of its folder has the same one. With a
   * sequence it names a record.
   */
  readonly uuid: string
  /** What opening has cut: `torn` bytes that a write left behind which a crash had interrupted. */
  readonly recovered: { readonly torn: number }

  static {
    newJournal = (opened, uuid, torn) => new Journal(INSIDE, opened, uuid, torn)
    inspectAs(Journal.prototype, (journal) => ({
      known: { path: journal.path },
      details() {
        if (journal.closed) return { closed: true }
        const { readonly, first, next, byteLength, segments, pending } = journal
        return { readonly, first, next, byteLength, segments, pending }
      },
    }))
  }

  private constructor(key: typeof INSIDE, opened: Opened, uuid: string, torn: number) {
    requireInside(key, 'Journal', 'journal.open')
    this.#opened = opened
    this.uuid = uuid
    this.recovered = Object.freeze({ torn })
  }

  /** The sequence of the oldest record that is kept; `next` where there is none. */
  get first(): number {
    return calls.first(this.#opened.handle())
  }

  /** The sequence behind the last durable record. Appends that are not durable yet do not count. */
  get next(): number {
    return calls.next(this.#opened.handle())
  }

  /** How many bytes the records take in their files. */
  get byteLength(): number {
    return calls.size(this.#opened.handle())
  }

  /** How many files the records are in. */
  get segments(): number {
    return native.journalSegments(this.#opened.handle())
  }

  /** How many bytes asynchronous calls have waiting to be written, on all handles of the journal in this process. */
  get pending(): number {
    return native.journalPending(this.#opened.handle())
  }

  /** Whether appending is refused. */
  get readonly(): boolean {
    return this.#opened.readonly
  }

  /** Whether this handle was closed. */
  get closed(): boolean {
    return this.#opened.closed
  }

  /** The journal's folder, as it was named. */
  get path(): string {
    return this.#opened.path
  }

  /**
   * Appends a record: all or nothing, durable on return. A record may be empty, and have 1 GiB at most. Returns its sequence.
   *
   * @throws `ERR_PMEM_CONFLICT` where its sequence would not be the `expected` one; `ENOSPC` where the disk or `maxBytes`
   * leave no room, and the journal is as it was; `EROFS` for a readonly journal; `EIO` with `uncertain` from the first flush on that
   * failed, until the journal is opened again.
   */
  append(data: Data, options?: AppendOptions): number {
    this.#opened.handle()
    const { expected, durable } = toAppend(options)
    if (typeof data === 'string') {
      const length = stageText(data)
      if (length >= 0) return calls.append(this.#opened.handle(), length, durable, expected)
    }
    const bytes = toBytes('data', data)
    const handle = this.#opened.handle()
    if (bytes.length > staging.length) return native.journalAppend(handle, bytes, expected, durable)
    stage(bytes)
    return calls.append(handle, bytes.length, durable, expected)
  }

  /**
   * Appends records in order as one batch: all or none, also after a power failure, with one flush. Returns the first one's
   * sequence; for no records, the one that would be next. Throws as `append`.
   *
   * @param records - Each is copied when the iterator gives it, which may then use its memory for the next.
   */
  appendMany(records: Iterable<Data>, options?: AppendOptions): number {
    this.#opened.handle()
    const { expected, durable } = toAppend(options)
    const { length, pieces } = gatherRecords('records', records)
    const handle = this.#opened.handle()
    if (length === null) return native.journalAppendMany(handle, pieces as Uint8Array[], expected, durable)
    return calls.appendMany(handle, length, durable, expected)
  }

  /**
   * Appends off the main thread. The data is copied at the call; the order of calls, also of `append`, is the order of
   * sequences; the promise resolves to the record's, once that is durable. Appends that wait share their flushes. Rejects as
   * `append` throws, at once with `ERR_PMEM_BUSY` where more than `maxPending` bytes would wait. Where an append fails, all that wait behind it fail.
   */
  appendAsync(data: Data, options?: AppendOptions): Promise<number> {
    return this.#opened.committer.add((queue) => {
      this.#opened.handle()
      const { expected, durable } = toAppend(options)
      if (typeof data === 'string' && durable) {
        const length = stageText(data)
        if (length >= 0) return calls.enqueue(this.#opened.handle(), length, queue, expected)
      }
      const bytes = toBytes('data', data)
      const handle = this.#opened.handle()
      if (!durable || bytes.length > staging.length) return native.journalEnqueue(handle, queue, bytes, expected, durable)
      stage(bytes)
      return calls.enqueue(handle, bytes.length, queue, expected)
    })
  }

  /** `appendMany` off the main thread, as `appendAsync`. */
  appendManyAsync(records: Iterable<Data>, options?: AppendOptions): Promise<number> {
    return this.#opened.committer.add((queue) => {
      this.#opened.handle()
      const { expected, durable } = toAppend(options)
      const pieces = piecesOf(gatherRecords('records', records))
      return native.journalEnqueueMany(this.#opened.handle(), queue, pieces, expected, durable)
    })
  }

  /** Makes all that was appended durable. Throws as `append`. */
  flush(): void {
    native.journalFlush(this.#opened.handle())
  }

  /** `flush` off the main thread: of what was appended before, also by asynchronous calls. */
  flushed(): Promise<void> {
    return this.#opened.committer.add((queue) => native.journalEnqueueFlush(this.#opened.handle(), queue))
  }

  /**
   * Copies of the durable records of a range, in order. The range is settled at the call; each iteration begins anew.
   *
   * @throws `ERR_OUT_OF_RANGE` for a sequence behind `next`; while it is iterated over, `ERR_PMEM_GAP`, whose `first` is the oldest sequence there
   * is, for records that are not kept any more, and `ERR_PMEM_CORRUPT` for damaged ones.
   *
   * @example
   * import { journal } from 'pmem'
   *
   * const events = journal.open('events')
   * events.appendMany(['one', 'two', 'three'])
   * for (const { sequence, data } of events.read({ from: 1 })) console.log(sequence, data.toString())
   * // => 1 two
   * // => 2 three
   * events.close()
   */
  read(options?: ReadOptions): Iterable<JournalRecord> {
    this.#opened.handle()
    const range = toRange(this.#opened, options)
    return { [Symbol.iterator]: () => iterate(new RecordScan(this.#opened, range)) }
  }

  /** All records that are durable now, as `read` gives them. */
  [Symbol.iterator](): Generator<JournalRecord, void, undefined> {
    this.#opened.handle()
    return iterate(new RecordScan(this.#opened, toRange(this.#opened, undefined)))
  }

  /** The durable record of a sequence; undefined where there is none yet, or none any more. Throws `ERR_PMEM_CORRUPT` for a damaged one. */
  get(sequence: Size): JournalRecord | undefined {
    this.#opened.handle()
    const wanted = toInteger('sequence', sequence)
    const handle = this.#opened.handle()
    if (wanted < calls.first(handle) || wanted >= calls.next(handle)) return undefined
    try {
      return readOne(handle, wanted)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_PMEM_GAP') return undefined
      throw error
    }
  }

  /**
   * The durable records from a place on, then those that come, of whatever process, in order. It ends when this handle is
   * closed. As long as it waits for a record, the process does not end by itself.
   *
   * @throws The signal's `reason`, once that is aborted; otherwise as `read`.
   *
   * @example
   * import { journal } from 'pmem'
   *
   * const events = journal.open('events')
   * setTimeout(() => events.append('it happened'), 10)
   * for await (const record of events.follow({ from: events.next })) {
   *   console.log(record.text()) // => it happened
   *   break
   * }
   * events.close()
   */
  follow(options?: FollowOptions): AsyncGenerator<JournalRecord, void, undefined> {
    this.#opened.handle()
    const { range, signal } = toFollowing(this.#opened, options)
    return new Follower(this.#opened, range, signal) as unknown as AsyncGenerator<JournalRecord, void, undefined>
  }

  /** A stream of records, in object mode: what `read` gives, or with `follow`, what comes too, until the journal is closed. */
  createReadStream(options?: ReadStreamOptions): Readable {
    this.#opened.handle()
    return new RecordReader(this.#opened, options)
  }

  /**
   * A stream that appends each chunk, text or bytes, as a record: those that wait, together. The bytes of a chunk are taken at
   * the call of `write`. `finish` means that all are durable; ending the stream does not close the journal. Where it fails,
   * `recordsWritten` of the stream and of its error say how many are appended.
   */
  createWriteStream(options?: WriteStreamOptions): Writable & { readonly recordsWritten: number } {
    this.#opened.handle()
    return new RecordWriter((records) => this.appendManyAsync(records), options)
  }

  /**
   * The cursor of a name, which is made by its first commit.
   *
   * @throws `ERR_INVALID_ARG_VALUE` for a name that is empty or has more than 100 characters in its file's name, where others than `a-z`, `0-9`, `_`
   * and `-` take three or more.
   */
  cursor(name: string): Cursor {
    this.#opened.handle()
    // Its throw says what is wrong with the name.
    positionOf(this.#opened, toName(name))
    return newCursor(this.#opened, name)
  }

  /** The names of all cursors, in order. */
  cursors(): string[] {
    return native.journalCursors(this.#opened.handle()).toSorted()
  }

  /**
   * Has a handler handle each record from a cursor on, and those that come, one after the other, and waits for what it returns: at least once.
   * The cursor is committed behind a record once its handler is fulfilled; where the process ends before that, the record is
   * handled again. A new cursor begins with the oldest record. Resolves when this handle is closed, also by the handler;
   * whoever closes it does not wait for the handler, whose record is handled again.
   *
   * @param handler - Gets a record, or with `batch` an array of those that are there.
   * @throws As a rejection: what the handler throws or rejects with, and the cursor stays before its record; the signal's
   * `reason`, once that is aborted and the handler done; `EAGAIN` while someone else consumes by this cursor; `ERR_PMEM_GAP` where records that the
   * cursor has not come to are not kept any more.
   *
   * @example
   * import { journal } from 'pmem'
   *
   * const jobs = journal.open('jobs')
   * jobs.appendMany(['one', 'two'])
   * await jobs.consume('worker', async (record) => {
   *   console.log(record.text())
   *   if (record.sequence === 1) setImmediate(() => jobs.close())
   * })
   * // => one
   * // => two
   */
  consume(name: string, handler: (record: JournalRecord) => unknown, options?: ConsumeOptions & { batch?: undefined }): Promise<void>
  consume(name: string, handler: (records: JournalRecord[]) => unknown, options: ConsumeOptions & { batch: Size }): Promise<void>
  consume(name: string, handler: Handler, options?: ConsumeOptions): Promise<void> {
    return consume(this.#opened, name, handler, options)
  }

  /**
   * Forgets the records before a sequence, durably, whoever has not read them yet. Their files are removed once none of
   * their records is kept.
   *
   * @throws `ERR_OUT_OF_RANGE` behind `next`; as `append`.
   */
  truncateBefore(sequence: Size): void {
    this.#opened.handle()
    const first = toInteger('sequence', sequence)
    native.journalTruncateBefore(this.#opened.handle(), first)
  }

  /**
   * Finishes what is pending and closes this handle; the journal is closed with its last handle. Closing again does nothing.
   * What follows it ends; it waits for no handler of `consume`.
   */
  close(): void {
    this.#opened.close()
  }

  /** Closes. */
  [Symbol.dispose](): void {
    this.close()
  }

  /** Awaits what is pending and closes. It waits for no handler of `consume`, which may therefore call it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#opened.closed) return
    await this.#opened.committer.idle()
    this.close()
  }
}

/** What was gathered, as pieces. The bytes of the shared one are copied by the call that gets them. */
function piecesOf({ length, pieces }: Gathered): Uint8Array[] {
  return length === null ? (pieces as Uint8Array[]) : [gathering.bytes.subarray(0, length)]
}
