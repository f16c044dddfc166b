/** A log's streams. */

import { Readable, Writable } from 'node:stream'
import { type Data, type Size, isBytes, toBytes, toInteger } from '../shared/arguments.js'
import { checkSource } from '../shared/frame.js'
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
  /** How much is read at once, in bytes; with 0, 64 KiB and nothing ahead. Default: 64 KiB. */
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

/** How much is read at once by default. */
const READ = 64 << 10

export class LogReader extends Readable {
  readonly #log: LogSource
  #position: number
  #end: number | undefined
  /** How often the log was rewound when reading started. */
  #before: number | undefined

  constructor(log: LogSource, options?: LogReadOptions) {
    const { start = 0, end, highWaterMark = READ, encoding } = toOptions(options, READ_OPTIONS)
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
    // A stream that reads nothing ahead asks for nothing, and means some.
    const length = Math.min(size || READ, this.#end - this.#position)
    if (length <= 0) return null
    const bytes = this.#log.read(this.#position, length)
    // What was read may be another log's content, or less, if it was rewound at any time before this.
    if (this.#log.rewinds() !== this.#before) return null
    this.#position += length
    return bytes
  }
}

/** What a stream appends to. */
export interface LogSink {
  /** Appends durably: all or nothing. */
  append(data: Data): Promise<void>
  /** How many bytes there is room for. */
  free(): number
}

/** A chunk that waits for the one before it. */
interface Waiting {
  readonly chunk: Buffer
}

type Callback = (error?: Error | null) => void

export class LogWriter extends Writable {
  readonly #log: LogSink
  /** What stands for chunks whose bytes could not be taken, and why. */
  readonly #refused = new WeakMap<Buffer, unknown>()
  #bytesWritten = 0

  constructor(log: LogSink, options?: LogWriteOptions) {
    const { highWaterMark = 64 << 10 } = toOptions(options, WRITE_OPTIONS)
    super({ highWaterMark })
    this.#log = log
  }

  /** How many bytes this stream has appended. */
  get bytesWritten(): number {
    return this.#bytesWritten
  }

  override write(chunk: unknown, ...rest: unknown[]): boolean {
    return (super.write as (...args: unknown[]) => boolean).call(this, this.#own(chunk), ...rest)
  }

  override end(chunk?: unknown, ...rest: unknown[]): this {
    return (super.end as (...args: unknown[]) => this).call(this, this.#own(chunk), ...rest)
  }

  override _write(chunk: Buffer, _: BufferEncoding, callback: Callback): void {
    void this.#settle([{ chunk }], callback)
  }

  /** What waited while a chunk was written goes as one append. */
  override _writev(chunks: Waiting[], callback: Callback): void {
    void this.#settle(chunks, callback)
  }

  /**
   * A chunk that has to wait keeps its bytes: a copy, since its memory may change, or be gone, before its turn. One whose
   * memory is gone already fails the stream in its turn, after those before it.
   */
  #own(chunk: unknown): unknown {
    if (!isBytes(chunk)) return chunk
    try {
      const bytes = toBytes('chunk', chunk)
      if (this.writableLength === 0 && this.writableCorked === 0) return bytes
      const copy = Buffer.from(bytes)
      checkSource(bytes)
      return copy
    } catch (error) {
      const stand = Buffer.alloc(0)
      this.#refused.set(stand, error)
      return stand
    }
  }

  async #settle(chunks: readonly Waiting[], callback: Callback): Promise<void> {
    try {
      const refused = chunks.findIndex(({ chunk }) => this.#refused.has(chunk))
      await this.#append(refused === -1 ? chunks : chunks.slice(0, refused))
      if (refused !== -1) throw this.#refused.get(chunks[refused]!.chunk)
    } catch (error) {
      callback(this.#explained(error as NodeJS.ErrnoException))
      return
    }
    callback()
  }

  /** Appends chunks as one; where they do not all fit, those that do, in order, and throws. */
  async #append(chunks: readonly Waiting[]): Promise<void> {
    let count = chunks.length
    let failure: unknown
    while (count > 0) {
      const data = together(chunks.slice(0, count))
      try {
        await this.#log.append(data)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
        failure = error
        // Others may take room after it was asked for.
        count = Math.min(fitting(chunks, this.#log.free()), count - 1)
        continue
      }
      this.#bytesWritten += data.length
      break
    }
    if (failure !== undefined) throw failure
  }

  #explained(error: NodeJS.ErrnoException): Error {
    if (error.code !== 'ENOSPC') return error
    const bytesWritten = this.#bytesWritten
    error.message += `; the stream appended ${bytesWritten} bytes before, whole chunks`
    return Object.assign(error, { bytesWritten })
  }
}

function together(chunks: readonly Waiting[]): Buffer {
  return chunks.length === 1 ? chunks[0]!.chunk : Buffer.concat(chunks.map(({ chunk }) => chunk))
}

/** How many chunks have room. */
function fitting(chunks: readonly Waiting[], free: number): number {
  let room = free
  const first = chunks.findIndex(({ chunk }) => (room -= chunk.length) < 0)
  return first === -1 ? chunks.length : first
}
