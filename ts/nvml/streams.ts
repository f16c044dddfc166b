/** A log's streams. */

import { Readable, Writable } from 'node:stream'
import { type Data, type Size, toInteger } from '../shared/arguments.js'
import { type Names, toOptions } from '../shared/options.js'

/** How bytes are text: Node.js's encodings. */
export type Encoding =
  | 'ascii' | 'base64' | 'base64url' | 'binary' | 'hex' | 'latin1' | 'ucs-2' | 'ucs2' | 'utf-16le' | 'utf-8' | 'utf16le' | 'utf8'

/** What part of a log is read, and how. */
export interface LogReadOptions {
  /** The first byte. Default: 0. */
  start?: Size
  /** The last byte, included, as in `fs.createReadStream`. Default: the log's last when reading starts. */
  end?: Size
  /** How much is read at once, in bytes. Default: 64 KiB. */
  highWaterMark?: number
  /** Gives text instead of Buffers. */
  encoding?: Encoding
}

const READ_OPTIONS: Names<LogReadOptions> = { start: true, end: true, highWaterMark: true, encoding: true }

/** How a log is written. */
export interface LogWriteOptions {
  /** How many bytes may wait before `write` returns false. Default: 64 KiB. */
  highWaterMark?: number
}

const WRITE_OPTIONS: Names<LogWriteOptions> = { highWaterMark: true }

/** What a stream reads. */
export interface LogSource {
  /** How many bytes there are. */
  tell(): number
  /** How often they were given up for others. */
  rewinds(): number
  /** Reads as far as the log goes. */
  read(offset: number, length: number): Buffer
}

export class LogReader extends Readable {
  readonly #log: LogSource
  #position: number
  #end: number | undefined
  /** How often the log was rewound when reading started. */
  #before: number | undefined

  constructor(log: LogSource, options?: LogReadOptions) {
    const { start = 0, end, highWaterMark = 64 << 10, encoding } = toOptions(options, READ_OPTIONS)
    super({ highWaterMark, ...(encoding === undefined ? {} : { encoding }) })
    this.#log = log
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
    this.#before ??= this.#log.rewinds()
    this.#end = Math.min(this.#end ?? Infinity, this.#log.tell())
    const length = Math.min(size, this.#end - this.#position)
    if (length <= 0) return null
    const bytes = this.#log.read(this.#position, length)
    // What was read may be another log's content, or less, if it was rewound at any time before this.
    if (this.#log.rewinds() !== this.#before) return null
    this.#position += length
    return bytes
  }
}

export class LogWriter extends Writable {
  /** Appends durably. */
  readonly #append: (data: Data) => Promise<void>

  constructor(append: (data: Data) => Promise<void>, options?: LogWriteOptions) {
    const { highWaterMark = 64 << 10 } = toOptions(options, WRITE_OPTIONS)
    super({ highWaterMark })
    this.#append = append
  }

  override _write(chunk: Buffer, _: BufferEncoding, callback: (error?: Error | null) => void): void {
    void this.#settle(chunk, callback)
  }

  /** What waited while a chunk was written goes as one append. */
  override _writev(chunks: { chunk: Buffer }[], callback: (error?: Error | null) => void): void {
    void this.#settle(Buffer.concat(chunks.map(({ chunk }) => chunk)), callback)
  }

  async #settle(data: Data, callback: (error?: Error | null) => void): Promise<void> {
    try {
      await this.#append(data)
    } catch (error) {
      callback(error as Error)
      return
    }
    callback()
  }
}
