import { type Shared, SLAB, allocate, allocateShared, cut } from '../shared/buffers.js'
import { inspectAs } from '../shared/inspect.js'
import type { Source } from '../shared/iterator.js'
import { type Position, read } from './calls.js'
import type { Opened } from './opened.js'

/** The size of a frame's header; what is where in it, in words of 32 bits (`docs/journal-format.md`). */
const HEADER = 32
const SEQUENCE = 2
const TIME = 4

/** How a record begins in what is copied of a journal. */
const HIGH = 2 ** 32

/** One record of a journal: a copy, whose bytes share memory with others where they are few. */
export class JournalRecord {
  /** Its place in the journal: records count up without gaps. */
  readonly sequence: number
  /** When it was appended, in microseconds since 1970. */
  readonly timestamp: number
  /** Its bytes. */
  readonly data: Buffer

  static {
    inspectAs(JournalRecord.prototype, (record) => ({
      known: { sequence: record.sequence, time: record.time },
      details: () => content(record.data),
    }))
  }

  /** @internal */
  constructor(sequence: number, timestamp: number, data: Buffer) {
    this.sequence = sequence
    this.timestamp = timestamp
    this.data = data
  }

  /** When it was appended. */
  get time(): Date {
    return new Date(Math.floor(this.timestamp / 1000))
  }

  /** Its bytes as text, which they are as UTF-8. */
  text(): string {
    return this.data.toString()
  }

  /**
   * What `JSON.parse` makes of its text.
   *
   * @throws A SyntaxError, which names the record.
   */
  json<T = unknown>(): T {
    try {
      return JSON.parse(this.text()) as T
    } catch (cause) {
      throw new SyntaxError(`the record ${this.sequence} is no JSON: ${(cause as Error).message}`, { cause })
    }
  }
}

/** How many bytes of a record are shown. */
const SHOWN = 200

/** What is shown of a record's bytes: text, if they may be some. */
function content(data: Buffer): object {
  const shown = data.subarray(0, SHOWN)
  try {
    // A character may be cut at the end.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(shown, { stream: shown.length < data.length })
    return { text: data.length > SHOWN ? `${text}... (${data.length} bytes)` : text }
  } catch {
    return { data }
  }
}

/** What part of a journal is read, in sequences. */
export interface Range {
  readonly from: number
  /** The first one that is not read. */
  readonly to: number
  /** How many records are read at most. */
  readonly limit: number
  /** Whether damaged records are passed over. */
  readonly skipDamaged: boolean
}

/** Copied frames, as bytes and as words. */
interface Slab extends Shared {
  readonly words: Uint32Array
}

function newSlab(byteLength: number, several = true): Slab {
  const shared = allocateShared((byteLength + 3) & ~3, several)
  return { bytes: shared.bytes, memory: shared.memory, words: new Uint32Array(shared.memory) }
}

const NOTHING = newSlab(0)

/** Few records are read into less memory. */
const FEW = 16
const SMALL_SLAB = 4 << 10

/** The records of a range in order. What throws ends it; it goes on where there were none yet, and come. */
export class RecordScan implements Source<JournalRecord> {
  readonly #journal: Opened
  /** Behind all records that were copied. */
  readonly #position: Position
  readonly #to: number
  readonly #skipDamaged: boolean
  readonly #size: number
  /** How many records may still be copied; 0 once it is over. */
  #left: number
  /** What is copied, and where the records begin and end that were not given yet. */
  #slab = NOTHING
  #start = 0
  #end = 0

  constructor(journal: Opened, { from, to, limit, skipDamaged }: Range) {
    this.#journal = journal
    this.#position = { sequence: from, segment: 0, offset: 0 }
    this.#to = to
    this.#left = limit
    this.#skipDamaged = skipDamaged
    this.#size = Math.min(limit, to - from) <= FEW ? SMALL_SLAB : SLAB
  }

  /** The sequence of the next record, where `advance` has found none. */
  get sequence(): number {
    return this.#position.sequence
  }

  /** Whether no record comes any more, where `advance` has found none. */
  get isOver(): boolean {
    return this.#left === 0 || this.#position.sequence >= this.#to
  }

  advance(): JournalRecord | undefined {
    const start = this.#start
    if (start === this.#end || this.#journal.closed) return this.#goOn()
    const slab = this.#slab
    const length = slab.words[start >>> 2]!
    this.#start = start + ((length + 7) & ~7)
    return recordAt(slab, start, length)
  }

  end(): void {
    this.#slab = NOTHING
    this.#start = this.#end = this.#left = 0
  }

  /** The next record, out of what is copied now. */
  #goOn(): JournalRecord | undefined {
    if (this.#start === this.#end && this.isOver) return undefined
    try {
      this.#copy(this.#journal.handle())
    } catch (error) {
      this.end()
      throw error
    }
    return this.#start === this.#end ? undefined : this.advance()
  }

  /** Copies behind what is copied already, as long as there is half of the memory left. */
  #copy(handle: number): void {
    if (this.#slab === NOTHING || this.#end * 2 > this.#slab.bytes.length) this.#take(newSlab(this.#size))
    for (;;) {
      const { bytes } = this.#slab
      const target = this.#end === 0 ? bytes : bytes.subarray(this.#end)
      const count = read(handle, this.#position, target, this.#skipDamaged)
      if (count >= 0) return this.#accept(this.#end + count)
      // A record that is a copy of its own is its owner's to transfer.
      this.#take(newSlab(Math.max(-count, this.#size), -count <= this.#size))
    }
  }

  /** Takes the records that are copied up to `end`, as far as they are in the range. */
  #accept(end: number): void {
    const { words } = this.#slab
    let at = this.#end
    for (; at < end; at += (words[at >>> 2]! + 7) & ~7) {
      const sequence = sequenceAt(words, at)
      if (sequence >= this.#to || this.#left === 0) break
      this.#position.sequence = sequence + 1
      this.#left -= 1
    }
    if (at < end) this.#left = 0
    this.#start = this.#end
    this.#end = at
  }

  #take(slab: Slab): void {
    this.#slab = slab
    this.#start = this.#end = 0
  }
}

/** Where a record is copied first that is read alone: little, since what is copied behind it is read for nothing. */
let scratch = NOTHING
const SCRATCH = 1 << 10

/** The record of a sequence; undefined at the end. */
export function readOne(handle: number, sequence: number): JournalRecord | undefined {
  if (scratch.bytes.length === 0) scratch = newSlab(SCRATCH, false)
  const count = read(handle, { sequence, segment: 0, offset: 0 }, scratch.bytes, false)
  if (count === 0) return undefined
  if (count > 0) return first(scratch, copied)
  const own = newSlab(-count, false)
  return read(handle, { sequence, segment: 0, offset: 0 }, own.bytes, false) > 0 ? first(own, cut) : undefined
}

/** The first record of a slab, its bytes as `take` gives them. */
function first(slab: Slab, take: typeof cut): JournalRecord {
  const { words } = slab
  return new JournalRecord(sequenceAt(words, 0), timeAt(words, 0), take(slab, HEADER, words[0]! - HEADER))
}

function copied({ bytes }: Shared, start: number, length: number): Buffer {
  const copy = allocate(length)
  bytes.copy(copy, 0, start, start + length)
  return copy
}

/** The record whose frame begins at `start` and has this length. */
function recordAt(slab: Slab, start: number, length: number): JournalRecord {
  const { words } = slab
  return new JournalRecord(sequenceAt(words, start), timeAt(words, start), cut(slab, start + HEADER, length - HEADER))
}

function sequenceAt(words: Uint32Array, start: number): number {
  const word = (start >>> 2) + SEQUENCE
  return words[word]! + words[word + 1]! * HIGH
}

function timeAt(words: Uint32Array, start: number): number {
  const word = (start >>> 2) + TIME
  return words[word]! + words[word + 1]! * HIGH
}
