import type { Signal } from '../shared/signal.js'
import type { Opened } from './opened.js'
import { type JournalRecord, type Range, RecordScan } from './records.js'
import { waitFor } from './waits.js'

type Result = IteratorResult<JournalRecord, undefined>

const END: Result = Object.freeze({ value: undefined, done: true })

/**
 * The records of a range, and those that come, in order. It ends with the range, or with the journal's close. What throws
 * ends it.
 */
export class Follower implements AsyncIterableIterator<JournalRecord, undefined> {
  readonly #journal: Opened
  readonly #signal: Signal | undefined
  readonly #scan: RecordScan
  /** How many have asked for a record and wait, and when the last of them is done. */
  #askers = 0
  #last: Promise<unknown> | undefined
  /** Ends a wait. */
  #wake = () => {}
  #isOver = false

  constructor(journal: Opened, range: Range, signal: Signal | undefined) {
    this.#journal = journal
    this.#signal = signal
    this.#scan = new RecordScan(journal, range)
  }

  next(): Promise<Result> {
    if (this.#askers > 0) return this.#later(this.#last)
    try {
      const result = this.#now()
      return result === undefined ? this.#later(undefined) : Promise.resolve(result)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** The next record, if there is one; the end; undefined where one is to be waited for. */
  take(): JournalRecord | undefined {
    return this.#now()?.value
  }

  return(value?: unknown): Promise<Result> {
    this.#end()
    return Promise.resolve({ value, done: true } as Result)
  }

  throw(error: unknown): Promise<Result> {
    this.#end()
    return Promise.reject(error)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  /** After whoever asked before. */
  #later(before: Promise<unknown> | undefined): Promise<Result> {
    const result = this.#wait(before)
    this.#last = result.then(noop, noop)
    return result
  }

  async #wait(before: Promise<unknown> | undefined): Promise<Result> {
    this.#askers += 1
    try {
      await before
      for (;;) {
        const result = this.#now()
        if (result !== undefined) return result
        await this.#sleep()
      }
    } finally {
      this.#askers -= 1
    }
  }

  /** What there is now; undefined where nothing has come. */
  #now(): Result | undefined {
    if (this.#isOver) return END
    try {
      if (this.#signal?.aborted) throw this.#signal.reason
      const record = this.#journal.closed ? undefined : this.#scan.advance()
      if (record !== undefined) return { value: record, done: false }
    } catch (error) {
      this.#end()
      throw error
    }
    if (!this.#journal.closed && !this.#scan.isOver) return undefined
    this.#end()
    return END
  }

  /** Until there may be a record, or it is over. */
  #sleep(): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = () => {
        this.#wake = noop
        unwait()
        ignoreClose()
        this.#signal?.removeEventListener('abort', wake)
        resolve()
      }
      let unwait = noop
      try {
        unwait = waitFor(this.#journal.handle(), this.#scan.sequence, wake)
      } catch (error) {
        this.#end()
        reject(error as Error)
        return
      }
      const ignoreClose = this.#journal.onClose(wake)
      this.#signal?.addEventListener('abort', wake)
      this.#wake = wake
    })
  }

  #end(): void {
    this.#isOver = true
    this.#scan.end()
    this.#wake()
  }
}

function noop(): void {}
