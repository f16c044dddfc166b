import { AbstractIterator } from 'abstract-level'
import type { objects } from 'pmem'
import { type Entries, type Range, fromStored, isWithin, toBuffer, toRange, toStored } from './entries.js'

type Entry = [Buffer, Buffer]

/** Goes through a part of a database as it was at one moment. `close` gives back what that keeps. */
export class PmemIterator<Database, K, V> extends AbstractIterator<Database, K, V> {
  readonly #entries: Entries
  readonly #range: objects.RangeOptions<string>
  readonly #close: () => void
  /** What of the range is still to be gone through, and that being done: not before the first entry is asked for. */
  #part: objects.RangeOptions<string>
  #rest: Iterator<readonly [string, Uint8Array]> | undefined

  constructor(database: Database, options: Range, entries: Entries, close: () => void) {
    super(database, options as object)
    this.#entries = entries
    this.#range = toRange(options)
    this.#part = this.#range
    this.#close = close
  }

  async _next(): Promise<Entry | undefined> {
    return this.#take()
  }

  async _nextv(size: number): Promise<Entry[]> {
    const taken: Entry[] = []
    while (taken.length < size) {
      const entry = this.#take()
      if (!entry) break
      taken.push(entry)
    }
    return taken
  }

  _seek(target: Buffer): void {
    const key = toStored(target)
    const { from, after, to, through, reverse } = this.#range
    this.#rest = undefined
    if (!isWithin(key, this.#range)) this.#part = { limit: 0 }
    else this.#part = reverse ? { from, after, through: key, reverse } : { from: key, to, through }
  }

  async _close(): Promise<void> {
    this.#close()
  }

  #take(): Entry | undefined {
    this.#rest ??= this.#entries.range(this.#part)
    const { value, done } = this.#rest.next()
    return done ? undefined : [fromStored(value[0]), toBuffer(value[1])]
  }
}
