/** A journal's streams, of records. */

import { Readable, Writable, addAbortSignal } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { type Data, isBytes, toBytes } from '../shared/arguments.js'
import { checkSource } from '../shared/frame.js'
import { Follower } from './follow.js'
import type { Opened } from './opened.js'
import { type ReadStreamOptions, type WriteStreamOptions, toReadStream, toWriteStream } from './options.js'
import { RecordScan } from './records.js'

export class RecordReader extends Readable {
  /** What is there; or also what comes, where the stream waits for it. */
  readonly #source: RecordScan | Follower

  constructor(journal: Opened, options?: ReadStreamOptions) {
    const { range, follow, how, signal } = toReadStream(journal, options)
    super(how)
    this.#source = follow ? new Follower(journal, range, undefined) : new RecordScan(journal, range)
    if (signal !== undefined) addAbortSignal(signal, this)
  }

  override _read(): void {
    const source = this.#source
    if (source instanceof Follower) void this.#follow(source)
    else this.#scan(source)
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    const source = this.#source
    if (source instanceof Follower) void source.return()
    else source.end()
    callback(error)
  }

  #scan(source: RecordScan): void {
    try {
      while (this.push(source.advance() ?? null)) if (this.destroyed) return
    } catch (error) {
      this.destroy(error as Error)
    }
  }

  async #follow(source: Follower): Promise<void> {
    try {
      const { value } = await source.next()
      if (!this.destroyed) this.push(value ?? null)
    } catch (error) {
      this.destroy(error as Error)
    }
  }
}

/** Appends records as one batch, durably, of which it copies the bytes at once. */
type Append = (records: readonly Data[]) => Promise<unknown>

/** A chunk that waits for the one before it. */
interface Waiting {
  readonly chunk: unknown
}

type Callback = (error?: Error | null) => void

/** How much is appended at once, unless one record alone has more: little enough to wait behind other appends. */
const MOST = 1 << 20

export class RecordWriter extends Writable {
  readonly #append: Append
  /** What stands for chunks whose bytes could not be taken, and why. */
  readonly #refused = new WeakMap<object, unknown>()
  #recordsWritten = 0

  constructor(append: Append, options?: WriteStreamOptions) {
    const { how, signal } = toWriteStream(options)
    super(how)
    this.#append = append
    if (signal !== undefined) addAbortSignal(signal, this)
  }

  /** How many records this stream has appended. */
  get recordsWritten(): number {
    return this.#recordsWritten
  }

  override write(chunk: unknown, ...rest: unknown[]): boolean {
    return (super.write as (...args: unknown[]) => boolean).call(this, this.#own(chunk), ...rest)
  }

  override end(chunk?: unknown, ...rest: unknown[]): this {
    return (super.end as (...args: unknown[]) => this).call(this, this.#own(chunk), ...rest)
  }

  override _write(chunk: unknown, _: BufferEncoding, callback: Callback): void {
    void this.#settle([{ chunk }], callback)
  }

  /** What waited while records were appended goes together. */
  override _writev(chunks: Waiting[], callback: Callback): void {
    void this.#settle(chunks, callback)
  }

  /**
   * A chunk that has to wait keeps its bytes: a copy, since its memory may change, or be gone, before its turn. One that is no
   * data, or whose memory is gone already, fails the stream in its turn, after those before it.
   */
  #own(chunk: unknown): unknown {
    // Text does not change, a function is the callback of `end`, and nothing is refused by the stream.
    if (typeof chunk === 'string' || typeof chunk === 'function' || chunk === null || chunk === undefined) return chunk
    try {
      const bytes = toBytes('chunk', chunk as Data)
      if (this.writableLength === 0 && this.writableCorked === 0) return bytes
      const copy = Buffer.from(bytes)
      if (isBytes(chunk)) checkSource(bytes)
      return copy
    } catch (error) {
      const stand = {}
      this.#refused.set(stand, error)
      return stand
    }
  }

  async #settle(chunks: readonly Waiting[], callback: Callback): Promise<void> {
    try {
      const records = chunks.map(({ chunk }) => chunk)
      const refused = records.findIndex((chunk) => this.#refused.has(chunk as object))
      await this.#appendAll((refused === -1 ? records : records.slice(0, refused)) as Data[])
      if (refused !== -1) throw this.#refused.get(records[refused] as object)
    } catch (error) {
      callback(this.#explained(error as Error))
      return
    }
    callback()
  }

  async #appendAll(records: readonly Data[]): Promise<void> {
    for (let start = 0; start < records.length; ) {
      const end = endOfBatch(records, start)
      await this.#appendOnce(records.slice(start, end))
      this.#recordsWritten += end - start
      start = end
    }
  }

  /** Appends as soon as others have not put too much off. */
  async #appendOnce(records: readonly Data[]): Promise<void> {
    for (;;) {
      try {
        await this.#append(records)
        return
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ERR_PMEM_BUSY' || this.destroyed) throw error
      }
      await pause(1)
    }
  }

  #explained(error: Error): Error {
    return Object.assign(error, { recordsWritten: this.#recordsWritten })
  }
}

/** Where records from `start` on are enough to be appended together. */
function endOfBatch(records: readonly Data[], start: number): number {
  let bytes = 0
  let end = start
  while (end < records.length && (end === start || bytes < MOST)) {
    bytes += (records[end] as string | Uint8Array).length
    end += 1
  }
  return end
}
