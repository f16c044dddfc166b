/** A log's streams. */

import { Readable, Writable } from 'node:stream'
import { type Data, type Size, toInteger, toOptions } from './arguments.js'
import type { Log } from './log.js'

/** What part of a log is read, and how. */
export interface LogReadOptions {
  /** The first byte. Default: 0. */
  start?: Size
  /** The last byte, included, as in `fs.createReadStream`. Default: the log's last when reading starts. */
  end?: Size
  /** How much is read at once, in bytes. Default: 64 KiB. */
  highWaterMark?: number
  /** Gives text instead of Buffers. */
  encoding?: BufferEncoding
}

/** How a log is written. */
export interface LogWriteOptions {
  /** How many bytes may wait before `write` returns false. Default: 64 KiB. */
  highWaterMark?: number
}

export class LogReader extends Readable {
  readonly #log: Log
  #position: number
  #end: number | undefined
  /** How often the log was rewound: now, and when reading started. */
  readonly #rewinds: () => number
  #before: number | undefined
  /** Reads as far as the log goes. */
  readonly #read: (offset: number, length: number) => Buffer

  constructor(log: Log, rewinds: () => number, read: (offset: number, length: number) => Buffer, options?: LogReadOptions) {
    const { start = 0, end, highWaterMark = 64 << 10, encoding } = toOptions(options)
    super({ highWaterMark, ...(encoding === undefined ? {} : { encoding }) })
    this.#log = log
    this.#rewinds = rewinds
    this.#read = read
    this.#position = toInteger('start', start)
    this.#end = end === undefined ? undefined : toInteger('end', end) + 1
  }

  /** Pushes later, as streams expect: a push within this call that decodes to no text would be the last. */
  override _read(size: number): void {
    queueMicrotask(() => {
      try {
        this.push(this.#next(size))
      } catch (error) {
        this.destroy(error as Error)
      }
    })
  }

  /** The next bytes; null at the end, and once the log was rewound. */
  #next(size: number): Buffer | null {
    if (this.destroyed) return null
    this.#before ??= this.#rewinds()
    this.#end = Math.min(this.#end ?? Infinity, this.#log.tell())
    const length = Math.min(size, this.#end - this.#position)
    if (length <= 0) return null
    const bytes = this.#read(this.#position, length)
    // What was read may be another log's content, or less, if it was rewound at any time before this.
    if (this.#rewinds() !== this.#before) return null
    this.#position += length
    return bytes
  }
}

export class LogWriter extends Writable {
  readonly #log: Log

  constructor(log: Log, { highWaterMark = 64 << 10 }: LogWriteOptions) {
    super({ highWaterMark })
    this.#log = log
  }

  override _write(chunk: Buffer, _: BufferEncoding, callback: (error?: Error | null) => void): void {
    void this.#append(chunk, callback)
  }

  /** What waited while a chunk was written goes as one append. */
  override _writev(chunks: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    void this.#append(Buffer.concat(chunks.map(({ chunk }) => chunk)), callback)
  }

  async #append(data: Data, callback: (error?: Error | null) => void): Promise<void> {
    try {
      await this.#log.appendAsync(data)
    } catch (error) {
      callback(error as Error)
      return
    }
    callback()
  }
}
