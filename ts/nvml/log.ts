import { constants } from 'node:buffer'
import type { Readable, Writable } from 'node:stream'
import { type Data, type Size, isThenable, toBytes, toInteger } from '../shared/arguments.js'
import { allocate } from '../shared/buffers.js'
import { outOfRange, wrongType } from '../shared/errors.js'
import { stage, stageText, staging } from '../shared/frame.js'
import { type Gathered, gather } from '../shared/gather.js'
import { INSIDE, requireInside } from '../shared/inside.js'
import { iterate } from '../shared/iterator.js'
import { native } from '../shared/native.js'
import { toOptions } from '../shared/options.js'
import { type Signal, toSignal } from '../shared/signal.js'
import { type Early, pause, wake } from '../shared/waiting.js'
import * as calls from './log-calls.js'
import { FOLLOW_OPTIONS, type LogFollowOptions, follow } from './log-follow.js'
import { LogScan, type Scanning, noteRewind } from './log-scan.js'
import { Pool, type PoolInfo, openHandle, poolKind, putOff } from './pool.js'
import { LogReader, type LogReadOptions, LogWriter, type LogWriteOptions } from './streams.js'

/** What the native side tells of an open log. */
export interface LogInfo extends PoolInfo {
  nbyte: number
}

/** Makes a log of what the native side gave. */
export let newLog: (info: LogInfo, maxPending?: number) => Log

/** Ends the waits of those that follow a log. */
let endFollowing: (log: Log) => void

const kind = poolKind('log', {
  intact: native.logIntact,
  pending: native.logPending,
  limitPending: native.logLimitPending,
  close: native.logClose,
  closed: (log) => endFollowing(log as Log),
  details: (log) => ({ tell: (log as Log).tell(), nbyte: (log as Log).nbyte(), pending: log.pending }),
})

const scanning: Scanning<Log> = {
  // Whichever thread of this process rewound it.
  rewinds: (log) => native.logRewinds(openHandle(log)),
  read: (log, offset, target) => void calls.read(openHandle(log), offset, target),
}

/**
 * A durable append-only log. {@link create} and {@link open} make it.
 *
 * Handles on the same file in one process, also those of workers, share the log. After `close` every use throws
 * `ERR_PMEM_CLOSED`, except `closed`, `path`, `readonly` and closing again. Offsets and lengths are in bytes.
 *
 * @example
 * import { pmemlog } from 'pmem'
 *
 * const log = pmemlog.create('events.log')
 * log.append('started')
 * log.walk((chunk) => console.log(chunk.toString())) // => started
 * log.close()
 */
export class Log extends Pool implements Iterable<Buffer> {
  readonly #nbyte: number
  readonly #waits = new Waits()

  static {
    newLog = (info, maxPending) => new Log(INSIDE, info, maxPending)
    endFollowing = (log) => wake(log.#waits.early)
  }

  private constructor(key: typeof INSIDE, info: LogInfo, maxPending?: number) {
    requireInside(key, 'Log', 'pmemlog.create or pmemlog.open')
    super(kind, info, maxPending)
    this.#nbyte = info.nbyte
  }

  /** How many bytes the log can hold (`pmemlog_nbyte`). */
  nbyte(): number {
    openHandle(this)
    return this.#nbyte
  }

  /** How many bytes the log holds (`pmemlog_tell`). Appends that are still pending do not count. */
  tell(): number {
    return calls.tell(openHandle(this))
  }

  /** How many bytes there is room for. Appends that are still pending do not count. */
  get free(): number {
    return this.#nbyte - this.tell()
  }

  /**
   * Appends: all or nothing, durable on return (`pmemlog_append`).
   *
   * @throws `ENOSPC` where it does not fit, and the log is as it was; `EROFS` for a readonly log.
   */
  append(data: Data): void {
    const handle = openHandle(this)
    if (typeof data === 'string') {
      const length = stageText(data)
      if (length >= 0) return calls.append(handle, length)
    }
    this.#appendBytes(toBytes('data', data))
  }

  /** Appends several parts as one: all or nothing (`pmemlog_appendv`). They are copied as by `appendMany`. Throws as `append`. */
  appendv(parts: Iterable<Data>): void {
    openHandle(this)
    this.#appendGathered(gather('parts', parts))
  }

  /**
   * Appends records in order, sharing the flushes: faster than one `append` each.
   *
   * @throws `ENOSPC` where they do not all fit, and none is appended. After a power failure before the return, the log
   * has the first of them, whole, or none.
   *
   * @param records - Each is copied when the iterator gives it, which may then use its memory for the next.
   */
  appendMany(records: Iterable<Data>): void {
    openHandle(this)
    this.#appendGathered(gather('records', records))
  }

  /**
   * Appends off the main thread. The data is copied at the call; the order of calls, also of `append`, is the order in the
   * log; the promise settles when the data is durable. Appends that wait share their flushes. Rejects as `append` throws.
   */
  appendAsync(data: Data): Promise<void> {
    return putOff(this, (handle, queue) => {
      const bytes = toBytes('data', data)
      if (bytes.length > staging.length) return native.logEnqueue(openHandle(this), queue, bytes)
      stage(bytes)
      calls.enqueue(handle, bytes.length, queue)
    })
  }

  /**
   * Calls back with what the log held when the walk started (`pmemlog_walk`): once with everything, or chunk by chunk, the
   * last of which may be short. The callback may append; it may close the log or rewind it, which ends the walk.
   *
   * @param callback - Gets copies, which share memory where they are short. Returning 0 or false ends the walk; what it throws is thrown on. It cannot be an async
   * function, for which nothing would wait: await in a loop over `chunks`.
   * @param chunkSize - In bytes; 0 for everything at once, which calls back once also for an empty log.
   * @throws `ERR_OUT_OF_RANGE` where everything is too much for one Buffer: walk by chunks then.
   */
  walk(callback: (chunk: Buffer) => unknown, chunkSize: Size = 0): void {
    openHandle(this)
    if (typeof callback !== 'function') throw wrongType('callback', 'a function', callback)
    const size = toInteger('chunkSize', chunkSize, 0, constants.MAX_LENGTH)
    if (size === 0) {
      refusePromise(callback(this.#everything()))
      return
    }
    const scan = this.#scan(size)
    for (let chunk = scan.advance(); chunk !== undefined; chunk = scan.advance()) {
      const answer = callback(chunk)
      refusePromise(answer)
      if (answer === 0 || answer === false || this.closed) return
    }
  }

  /**
   * A copy of what lies from `byteOffset` on. A short one shares its memory with others, as with `Buffer.allocUnsafe`.
   *
   * @throws `ERR_OUT_OF_RANGE` for what lies past `tell()`.
   */
  read(byteOffset: Size, byteLength: Size): Buffer {
    const end = this.tell()
    const offset = toInteger('byteOffset', byteOffset, 0, end)
    const length = toInteger('byteLength', byteLength, 0, Math.min(end - offset, constants.MAX_LENGTH))
    return this.#read(offset, length)
  }

  /** The chunks of what the log held when the iteration started, as `walk` gives them. A rewind ends it like a walk. */
  chunks(chunkSize: Size): Iterable<Buffer> {
    openHandle(this)
    const size = toInteger('chunkSize', chunkSize, 1, constants.MAX_LENGTH)
    return { [Symbol.iterator]: () => iterate(this.#scan(size)) }
  }

  /** Chunks of 64 KiB. */
  [Symbol.iterator](): Iterator<Buffer> {
    openHandle(this)
    return iterate(this.#scan(64 << 10))
  }

  /**
   * What the log holds, and then what comes, in chunks: from this process, its workers or another process, which may have
   * it open for writing while this one has it open `{ readonly: true }`. A chunk is what there is, however it was appended.
   *
   * It goes on until the signal is aborted, which throws the signal's reason, until the handle is closed, which ends it, or
   * until the loop is left; meanwhile it keeps the process alive. What this process appends is told of at once; for what
   * others append it looks each 1 to 50 ms. All that it gives is durable. Each iteration starts anew.
   *
   * @throws `ERR_PMEM_GAP` once the log was rewound; `EAGAIN` once its writer has left and another program has it.
   *
   * @example
   * import { pmemlog } from 'pmem'
   *
   * const log = pmemlog.create('events.log')
   * log.append('started')
   * setTimeout(() => log.append('stopped'), 10)
   * for await (const chunk of log.follow()) {
   *   console.log(chunk.toString())
   *   if (chunk.equals(Buffer.from('stopped'))) log.close()
   * }
   * // => started
   * // => stopped
   */
  follow(options?: LogFollowOptions): AsyncIterable<Buffer> {
    openHandle(this)
    const { from = 0, chunk = 64 << 10, signal } = toOptions(options, FOLLOW_OPTIONS)
    const following = {
      from: toInteger('from', from, 0, this.#nbyte),
      size: toInteger('chunk', chunk, 1, constants.MAX_LENGTH),
      signal: toSignal('signal', signal),
    }
    return { [Symbol.asyncIterator]: () => follow(this.#followed(), following) }
  }

  /** A stream of what the log held at its first read. */
  createReadStream(options?: LogReadOptions): Readable {
    openHandle(this)
    const tell = () => this.tell()
    const rewinds = () => scanning.rewinds(this)
    const read = (offset: number, length: number) => this.#read(offset, length)
    return new LogReader({ tell, rewinds, read }, options)
  }

  /**
   * A stream that appends. The bytes of a chunk are taken at the call of `write`. `finish` means that all is durable; ending
   * the stream does not close the log. A stream that fails with `ENOSPC` has appended what fitted: whole chunks, in order, of
   * which the error's `bytesWritten` says the length, as the stream's does at any time.
   */
  createWriteStream(options?: LogWriteOptions): Writable & { readonly bytesWritten: number } {
    openHandle(this)
    const append = (data: Data) => this.appendAsync(data)
    const free = () => this.free
    return new LogWriter({ append, free }, options)
  }

  /**
   * Empties the log, durably (`pmemlog_rewind`), after all pending appends.
   *
   * @throws `EAGAIN` while other processes have it open readonly, to whom it would change what they read; `EROFS` for a
   * readonly log.
   */
  rewind(): void {
    noteRewind()
    native.logRewind(openHandle(this))
  }

  #followed() {
    const isClosed = () => this.closed
    return {
      get closed() {
        return isClosed()
      },
      early: this.#waits.early,
      look: () => native.logLook(openHandle(this)),
      rewinds: () => scanning.rewinds(this),
      read: (offset: number, length: number) => this.#read(offset, length),
      wait: (ms: number, held: number, signal: Signal | undefined) => {
        this.#waits.askToBeTold(openHandle(this), held)
        return pause(ms, signal, this.#waits.early)
      },
    }
  }

  #appendBytes(bytes: Uint8Array): void {
    const { length } = bytes
    const handle = openHandle(this)
    if (length > staging.length) {
      native.logAppend(handle, bytes)
      return
    }
    stage(bytes)
    calls.append(handle, length)
  }

  #appendGathered({ length, pieces }: Gathered): void {
    const handle = openHandle(this)
    if (length === null) native.logAppendParts(handle, pieces as Uint8Array[])
    else calls.appendGathered(handle, length)
  }

  #everything(): Buffer {
    const end = this.tell()
    if (end <= constants.MAX_LENGTH) return this.#read(0, end)
    throw outOfRange('chunkSize', `> 0, since the log's ${end} bytes are too many for one Buffer`, 0)
  }

  /** Bytes that the log holds; fewer where it was rewound meanwhile. */
  #read(offset: number, length: number): Buffer {
    const target = allocate(length)
    const count = calls.read(openHandle(this), offset, target)
    return count === length ? target : target.subarray(0, count)
  }

  #scan(size: number): LogScan<Log> {
    return new LogScan(this, scanning, size)
  }
}

/** Those that follow a log and wait. The native side keeps this until the next change, and so not the log. */
class Waits {
  /** What ends the waits. */
  readonly early: Early = new Set()
  /** Whether the native side is going to tell of a change. */
  #isTold = false

  /** Has the native side end the waits once the log holds other than this. */
  askToBeTold(handle: number, held: number): void {
    if (this.#isTold) return
    this.#isTold = true
    native.logWhenChanged(handle, held, () => {
      this.#isTold = false
      wake(this.early)
    })
  }
}

function refusePromise(answer: unknown): void {
  if (!isThenable(answer)) return
  throw wrongType('callback', 'a function that gives no promise, since walk does not wait: await in a loop over log.chunks(size)', answer)
}
