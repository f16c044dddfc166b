/**
 * A destination for the lines of pino: each is a record of a journal.
 *
 * @module pino
 */

import { Writable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { clearTimeout, setTimeout } from 'node:timers'
import { type Path, toBoolean, toInteger } from '../shared/arguments.js'
import { wrongType } from '../shared/errors.js'
import { type AppendOptions, type Journal, type OpenOptions, open } from '../journal/journals.js'

export type { OpenOptions, Path, Size } from '../journal/journals.js'
export type { Destination }

/** Where lines go, and how. */
export interface DestinationOptions extends Omit<OpenOptions, 'readonly' | 'maxPending'> {
  /** The journal's folder. */
  folder: Path
  /**
   * With true, a line is durable when the call that logged it returns. With false it survives the end of the process, of whatever kind, and a power
   * failure from the next flush on. Default: false.
   */
  durable?: boolean
  /** How long lines wait for a flush at most, in milliseconds; 0 for as long as nobody asks. Default: 1000. */
  flushInterval?: number
}

/** The longest time of a timer, in milliseconds. */
const LONGEST = 2 ** 31 - 1

/** What is closed when the process exits. */
const unclosed = new Set<Destination>()
let isWatching = false

type Callback = (error?: Error | null) => void

/**
 * A stream of lines. It takes them at the call of `write`, so that whoever has logged a line has it in the journal; what
 * fails is an `error` event, and the next line is tried anew. `end` makes everything durable and closes the journal.
 */
class Destination extends Writable {
  /** The journal of the lines: one record each, without its line break. */
  readonly journal: Journal
  readonly #how: AppendOptions
  readonly #flushInterval: number
  readonly #decoder = new StringDecoder()
  /** The begin of a line that is not complete. */
  #rest = ''
  /** Set while lines wait for a flush. */
  #timer: NodeJS.Timeout | undefined

  /** @internal */
  constructor(journal: Journal, durable: boolean, flushInterval: number) {
    super({ decodeStrings: false })
    this.journal = journal
    this.#how = { durable }
    this.#flushInterval = durable ? 0 : flushInterval
    unclosed.add(this)
  }

  override write(chunk: unknown, ...rest: unknown[]): boolean {
    if (this.writableEnded || (typeof chunk !== 'string' && !Buffer.isBuffer(chunk))) {
      return (super.write as (...args: unknown[]) => boolean).call(this, chunk, ...rest)
    }
    this.#take(chunk)
    const callback = rest.at(-1)
    if (typeof callback === 'function') process.nextTick(callback)
    return true
  }

  override _write(chunk: string | Buffer, _: BufferEncoding, callback: Callback): void {
    this.#take(chunk)
    callback()
  }

  override _final(callback: Callback): void {
    this.#append(this.#rest === '' ? [] : [this.#rest])
    this.#rest = ''
    this.flush((error) => {
      this.#close()
      callback(error)
    })
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#close()
    callback(error)
  }

  /** Makes all lines durable, off the main thread; `logger.flush` calls it. */
  flush(callback: Callback = () => {}): void {
    this.#disarm()
    void this.#flush(callback)
  }

  /** Makes all lines durable. */
  flushSync(): void {
    this.#disarm()
    this.journal.flush()
  }

  /** @internal Makes all lines durable and closes the journal, when the process exits. */
  closeAtExit(): void {
    try {
      if (!this.journal.closed) this.flushSync()
    } catch {
      // Nobody is left to be told.
    }
    this.#close()
  }

  #take(chunk: string | Buffer): void {
    const text = typeof chunk === 'string' ? chunk : this.#decoder.write(chunk)
    // What pino gives, unless it comes through a worker: one line.
    if (this.#rest === '' && text.indexOf('\n') === text.length - 1 && text.length > 1) return this.#one(text.slice(0, -1))
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop()!
    this.#append(lines.filter((line) => line !== ''))
  }

  #one(line: string): void {
    try {
      this.journal.append(line, this.#how)
    } catch (error) {
      this.emit('error', error)
      return
    }
    this.#arm()
  }

  #append(lines: readonly string[]): void {
    if (lines.length === 0) return
    try {
      this.journal.appendMany(lines, this.#how)
    } catch (error) {
      this.emit('error', error)
      return
    }
    this.#arm()
  }

  async #flush(callback: Callback): Promise<void> {
    let failure: Error | null = null
    try {
      await this.journal.flushed()
    } catch (error) {
      failure = error as Error
    }
    callback(failure)
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#flushInterval === 0) return
    this.#timer = setTimeout(this.#flushNow, this.#flushInterval)
    this.#timer.unref()
  }

  #disarm(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  readonly #flushNow = (): void => {
    this.flush((error) => {
      if (error) this.emit('error', error)
    })
  }

  #close(): void {
    this.#disarm()
    unclosed.delete(this)
    this.journal.close()
  }
}

/**
 * A destination for pino, in this thread, or in a worker where it is a transport's target. Each line is a record of a journal:
 * at any time, after whatever end of the process, the journal has every line whose call returned, or, with a transport, that
 * its worker took.
 *
 * @throws As `journal.open`.
 *
 * @example
 * import pino from 'pino'
 * import { journal } from 'pmem'
 * import destination from 'pmem/pino'
 *
 * const logger = pino({ base: null, timestamp: false }, destination({ folder: 'logs', maxBytes: 1 << 30 }))
 * logger.info('started')
 * logger.flush()
 *
 * const logs = journal.open('logs')
 * logs.flush()
 * for (const record of logs) console.log(record.text()) // => {"level":30,"msg":"started"}
 * logs.close()
 */
export function destination(options: DestinationOptions): Destination {
  if (typeof options !== 'object' || options === null) throw wrongType('options', 'an object', options)
  const { folder, durable = false, flushInterval = 1000, ...opening } = options
  const how = [toBoolean('durable', durable), toInteger('flushInterval', flushInterval, 0, LONGEST)] as const
  if (!isWatching) process.on('exit', closeAll)
  isWatching = true
  return new Destination(open(folder, ofJournals(opening)), ...how)
}

/** Options without those that a transport of pino adds for its workers. */
function ofJournals(options: OpenOptions): OpenOptions {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !/^(\$|pino)/.test(name)))
}

function closeAll(): void {
  for (const one of unclosed) one.closeAtExit()
}

export default destination
