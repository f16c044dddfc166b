import { SLAB, SMALL, type Shared, allocateShared, cut } from '../shared/buffers.js'
import type { Source } from '../shared/iterator.js'

/** How much a scan copies at once: a whole number of chunks of about this size. Small chunks pass through the cache then. */
const SCAN = 1 << 20

const NOTHING = allocateShared(0)

/** How often this thread has rewound a log: most scans see by it that theirs was not, without crossing. */
let rewinds = 0

/** Has all scans of this thread look whether their log was rewound. */
export function noteRewind(): void {
  rewinds += 1
}

/** What a log is to a scan. */
export interface Scanned {
  readonly closed: boolean
  /** How many bytes it holds. */
  tell(): number
}

/** What a scan does with a log, which throws where it is closed. */
export interface Scanning<Log extends Scanned> {
  /** How often it was rewound. */
  rewinds(log: Log): number
  /** Fills `target`, as far as the log goes. */
  read(log: Log, offset: number, target: Buffer): void
}

/** Chunks of what a log held when the first was taken, cut out of larger copies. A log that is rewound ends the scan. */
export class LogScan<Log extends Scanned> implements Source {
  readonly #log: Log
  readonly #native: Scanning<Log>
  readonly #size: number
  /** The current copy and its length, where its next chunk starts, and where in the log it ends. */
  #copied: Shared = NOTHING
  #length = 0
  #start = 0
  #offset = 0
  /** Where the scan ends in the log; not known before it starts. */
  #end: number | undefined
  /** How often the log was rewound before. */
  #before = 0
  #seen = 0

  constructor(log: Log, native: Scanning<Log>, size: number) {
    this.#log = log
    this.#native = native
    this.#size = size
  }

  advance(): Buffer | undefined {
    const start = this.#start
    const next = start + this.#size
    if (next <= this.#length && this.#seen === rewinds && !this.#log.closed) {
      this.#start = next
      return cut(this.#copied, start, this.#size)
    }
    return this.#goOn() ? this.#take() : undefined
  }

  end(): void {
    this.#copied = NOTHING
    this.#length = this.#start = 0
    this.#end = this.#offset
  }

  /** The next chunk of the copy, which may be short. */
  #take(): Buffer {
    const start = this.#start
    this.#start = Math.min(start + this.#size, this.#length)
    return cut(this.#copied, start, this.#start - start)
  }

  /** Whether there is a chunk. What throws here ends the scan. */
  #goOn(): boolean {
    let [copied, length, start, end] = [this.#copied, this.#length, this.#start, this.#end]
    this.end()
    if (end === undefined) {
      // A rewind between the two must be seen as one after both.
      this.#before = this.#native.rewinds(this.#log)
      end = this.#log.tell()
    }
    if (start === length && this.#offset >= end) return false
    if (this.#wasRewound()) return false
    if (start === length) {
      start = 0
      length = Math.min(end - this.#offset, this.#step())
      // A chunk that is a copy of its own is its owner's to transfer.
      copied = allocateShared(length, length > this.#size)
      this.#native.read(this.#log, this.#offset, copied.bytes)
      if (this.#wasRewound()) return false
      this.#offset += length
    }
    this.#copied = copied
    this.#length = length
    this.#start = start
    this.#end = end
    return true
  }

  #step(): number {
    const copied = this.#size <= SMALL ? SLAB : SCAN
    return Math.max(1, Math.floor(copied / this.#size)) * this.#size
  }

  #wasRewound(): boolean {
    this.#seen = rewinds
    return this.#native.rewinds(this.#log) !== this.#before
  }
}
