import { constants } from 'node:buffer'
import type { Readable, Writable } from 'node:stream'
import { type Data, type Size, toBytes, toInteger, toOptions } from './arguments.js'
import { closed, outOfRange, wrongType } from './errors.js'
import * as frame from './frame.js'
import { native } from './native.js'
import { LogReader, type LogReadOptions, LogWriter, type LogWriteOptions } from './streams.js'

/** What the native side tells of an open log. */
export interface LogInfo {
  handle: number
  engine: string
  nbyte: number
}

/** How much a scan copies at once: a whole number of chunks of about this size. */
const SCAN = 1 << 20

/** How often this thread has rewound a log: most scans see by it that theirs was not, without crossing. */
let rewinds = 0

/** Drops logs that are collected without having been closed. */
const collected = new FinalizationRegistry<number>((handle) => native.logClose(handle))

/**
 * A durable append-only log. {@link create} and {@link open} make it.
 *
 * Handles on the same file in one process, also those of workers, share the log. After `close` every use throws
 * `ERR_PMEM_CLOSED`, except `closed` and closing again. Offsets and lengths are in bytes.
 *
 * @example
 * import { pmemlog } from 'pmem'
 *
 * const log = pmemlog.create('events.log')
 * log.append('started')
 * log.walk((chunk) => console.log(chunk.toString())) // => started
 * log.close()
 */
export class Log implements Disposable, AsyncDisposable, Iterable<Buffer> {
  /** 0 once closed. */
  #handle: number
  readonly #engine: string
  readonly #nbyte: number

  /** @internal */
  constructor(info: LogInfo) {
    this.#handle = info.handle
    this.#engine = info.engine
    this.#nbyte = info.nbyte
    collected.register(this, info.handle, this)
  }

  /** Whether this handle was closed. */
  get closed(): boolean {
    return this.#handle === 0
  }

  /** What implements the log: `pmdk` (libpmemlog) or `rust`. */
  get engine(): string {
    this.#open()
    return this.#engine
  }

  /** How many bytes the log can hold (`pmemlog_nbyte`). */
  nbyte(): number {
    this.#open()
    return this.#nbyte
  }

  /** How many bytes the log holds (`pmemlog_tell`). Appends that are still pending do not count. */
  tell(): number {
    return native.logTell(this.#open())
  }

  /**
   * Appends: all or nothing, durable on return (`pmemlog_append`).
   *
   * @throws `ENOSPC` where it does not fit, and the log is as it was; `EROFS` for a readonly log.
   */
  append(data: Data): void {
    this.#open()
    if (typeof data === 'string' && data.length <= frame.staging.length / 3) {
      const length = frame.staging.write(data)
      frame.append(this.#handle, length)
      return
    }
    this.#appendBytes(toBytes('data', data))
  }

  /** Appends several parts as one: all or nothing (`pmemlog_appendv`). Throws as `append`. */
  appendv(parts: Iterable<Data>): void {
    this.#open()
    this.#appendParts(allBytes('parts', parts))
  }

  /**
   * Appends records in order, sharing the flushes: faster than one `append` each.
   *
   * @throws `ENOSPC` where they do not all fit, and none is appended. After a power failure before the return, the log
   * has the first of them, whole, or none.
   */
  appendMany(records: Iterable<Data>): void {
    this.#open()
    this.#appendParts(allBytes('records', records))
  }

  /**
   * Appends off the main thread. The data is copied at the call; the order of calls, also of `append`, is the order in the
   * log; the promise settles when the data is durable. Appends that wait share their flushes. Rejects as `append` throws.
   */
  async appendAsync(data: Data): Promise<void> {
    this.#open()
    const bytes = toBytes('data', data)
    await native.logAppendAsync(this.#open(), bytes)
  }

  /**
   * Calls back with what the log held when the walk started (`pmemlog_walk`): once with everything, or chunk by chunk, the
   * last of which may be short. The callback may append; it may close the log or rewind it, which ends the walk.
   *
   * @param callback - Gets copies. Returning 0 or false ends the walk; what it throws is thrown on.
   * @param chunkSize - In bytes; 0 for everything at once, which calls back once also for an empty log.
   * @throws `ERR_OUT_OF_RANGE` where everything is too much for one Buffer: walk by chunks then.
   */
  walk(callback: (chunk: Buffer) => unknown, chunkSize: Size = 0): void {
    this.#open()
    if (typeof callback !== 'function') throw wrongType('callback', 'a function', callback)
    const size = toInteger('chunkSize', chunkSize, 0, constants.MAX_LENGTH)
    if (size === 0) {
      callback(this.#everything())
      return
    }
    for (const chunk of this.#scan(size)) {
      const answer = callback(chunk)
      if (answer === 0 || answer === false || this.#handle === 0) return
    }
  }

  /**
   * A copy of what lies from `byteOffset` on.
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
    this.#open()
    const size = toInteger('chunkSize', chunkSize, 1, constants.MAX_LENGTH)
    return { [Symbol.iterator]: () => this.#scan(size) }
  }

  /** Chunks of 64 KiB. */
  [Symbol.iterator](): Iterator<Buffer> {
    this.#open()
    return this.#scan(64 << 10)
  }

  /** A stream of what the log held at its first read. */
  createReadStream(options?: LogReadOptions): Readable {
    this.#open()
    return new LogReader(this, () => this.#rewinds(), (offset, length) => this.#read(offset, length), options)
  }

  /** A stream that appends. `finish` means that all is durable; ending the stream does not close the log. */
  createWriteStream(options?: LogWriteOptions): Writable {
    this.#open()
    return new LogWriter(this, toOptions(options))
  }

  /** Empties the log, durably (`pmemlog_rewind`), after all pending appends. */
  rewind(): void {
    rewinds += 1
    native.logRewind(this.#open())
  }

  /** Finishes pending appends and closes this handle; the log is closed with its last handle. Closing again does nothing. */
  close(): void {
    if (this.#handle === 0) return
    const handle = this.#handle
    this.#handle = 0
    collected.unregister(this)
    native.logClose(handle)
  }

  /** Closes. */
  [Symbol.dispose](): void {
    this.close()
  }

  /** Awaits pending appends and closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#handle === 0) return
    await native.logSettleAsync(this.#handle)
    this.close()
  }

  /** The handle, which only an open log has. */
  #open(): number {
    if (this.#handle === 0) throw closed('log')
    if (frame.alarmed()) native.logIntact(this.#handle)
    return this.#handle
  }

  /** How often the log was rewound, by whichever thread of this process. */
  #rewinds(): number {
    return native.logRewinds(this.#open())
  }

  #appendBytes(bytes: Uint8Array): void {
    const { length } = bytes
    const handle = this.#open()
    if (length > frame.staging.length) {
      native.logAppend(handle, bytes)
      return
    }
    frame.stage(bytes)
    frame.append(handle, length)
  }

  /** Appends the bytes of all parts as one run. */
  #appendParts(parts: readonly Uint8Array[]): void {
    let length = 0
    for (const part of parts) length += part.length
    const handle = this.#open()
    if (length > frame.staging.length) {
      const whole = Buffer.concat(parts)
      for (const part of parts) frame.checkSource(part)
      native.logAppend(handle, whole)
      return
    }
    let offset = 0
    for (const part of parts) {
      frame.stage(part, offset)
      offset += part.length
    }
    frame.append(handle, length)
  }

  #everything(): Buffer {
    const end = this.tell()
    if (end <= constants.MAX_LENGTH) return this.#read(0, end)
    throw outOfRange('chunkSize', `> 0, since the log's ${end} bytes are too many for one Buffer`, 0)
  }

  /** Bytes that the log holds; fewer where it was rewound meanwhile. */
  #read(offset: number, length: number): Buffer {
    const target = Buffer.allocUnsafe(length)
    const count = native.logRead(this.#open(), offset, target)
    return count === length ? target : target.subarray(0, count)
  }

  /** Chunks of `size` bytes, cut out of larger copies. A log that is rewound ends the scan. */
  *#scan(size: number): Generator<Buffer, void, undefined> {
    // A rewind between the two must be seen as one after both.
    const before = this.#rewinds()
    const [end, step] = [this.tell(), Math.max(1, Math.floor(SCAN / size)) * size]
    for (let offset = 0; offset < end; offset += step) {
      const block = new Uint8Array(Math.min(step, end - offset))
      native.logRead(this.#open(), offset, block)
      if (this.#rewinds() !== before) return
      let seen = rewinds
      for (let start = 0; start < block.length; start += size) {
        yield Buffer.from(block.buffer, start, Math.min(size, block.length - start))
        if (this.#handle === 0 && offset + start + size < end) throw closed('log')
        if (rewinds !== seen && this.#rewinds() !== before) return
        seen = rewinds
      }
    }
  }
}

/** The bytes of each part. All code of a caller runs here, before any of them is staged. */
function allBytes(name: string, parts: Iterable<Data>): Uint8Array[] {
  if (typeof parts === 'string' || typeof parts?.[Symbol.iterator] !== 'function') {
    throw wrongType(name, 'an iterable of strings or bytes', parts)
  }
  const all: Uint8Array[] = []
  for (const part of parts) all.push(toBytes(name, part))
  return all
}
