import { setImmediate } from 'node:timers'
import { given, put } from './frame.js'
import { native } from './native.js'

const calls = native.pendingCalls()

/** Calls that are told together what came of their work. */
interface Batch {
  /** How many calls there are, and how many of them are not done. */
  size: number
  left: number
  /** The errors of those that failed, by their places. */
  readonly errors: Map<number, Error>
  /** Fulfilled once all are done; never rejected. */
  readonly done: Promise<void>
  readonly finish: () => void
}

/** The most calls of a batch: what hangs on so many runs at once. It is also the native side's. */
const MOST = 1024

let queues = 0

/**
 * Work that was put off, in the order of its calls: a queue on the native side, where what waits is done together.
 *
 * One commit at a time is under way, on one thread of the runtime's pool. It takes the calls made until then: a commit starts
 * when the runtime is done with what it has in hand, so that calls that come together are one batch. What comes meanwhile is
 * the next one. Calls of a batch wait for one promise, which costs less than one for each.
 */
export class Committer {
  /** The queue's number on the native side. */
  readonly #queue = (queues += 1)
  /** What is not done, in order. */
  readonly #batches: Batch[] = []
  /** The last of them, as long as calls may join it. */
  #open: Batch | undefined
  /** Whether a commit is under way, or about to start. */
  #isBusy = false

  /**
   * What `enqueue` puts off, which gets the queue's number; resolves to what it returns. A throw of it is a rejection. An error
   * that comes later gets the stack of those who await this, which costs nothing before.
   */
  async add<T>(enqueue: (queue: number) => T): Promise<T> {
    const result = enqueue(this.#queue)
    const batch = this.#open ?? this.#begin()
    const place = batch.size
    batch.size = place + 1
    batch.left += 1
    if (batch.size === MOST) this.#open = undefined
    await batch.done
    const error = batch.errors.size > 0 ? batch.errors.get(place) : undefined
    if (error === undefined) return result
    Error.captureStackTrace(error, Committer.prototype.add)
    throw error
  }

  /** Settles what is done, at once: all of it, where the native side has finished all. */
  settle(): void {
    while (this.#batches.length > 0 && this.#take() > 0);
  }

  /** Resolves once all calls made before this one are settled. */
  async idle(): Promise<void> {
    await this.#batches.at(-1)?.done
  }

  #begin(): Batch {
    let finish = () => {}
    const done = new Promise<void>((resolve) => (finish = resolve))
    const batch: Batch = { size: 0, left: 0, errors: new Map(), done, finish }
    this.#batches.push(batch)
    this.#open = batch
    if (!this.#isBusy) {
      this.#isBusy = true
      setImmediate(this.#commit)
    }
    return batch
  }

  readonly #commit = (): void => {
    this.#open = undefined
    if (this.#batches.length === 0) {
      this.#isBusy = false
      return
    }
    native.pendingCommit(this.#queue).then(this.#goOn, this.#goOn)
  }

  /** The next commit starts before what hangs on this one's promises runs, so that the disk need not wait for it. */
  readonly #goOn = (): void => {
    const { length } = this.#batches
    for (let done = length; done > 0 && this.#batches.length === length; ) done = this.#take()
    this.#commit()
  }

  /** Takes over what the native side has done, and tells the batches that are complete. Returns how much it was. */
  #take(): number {
    put(this.#queue)
    calls.settledWell()
    const well = given(0)
    this.#tell(well)
    // What is done behind that begins with a failure.
    return well > 0 || this.#batches.length === 0 ? well : this.#takeFailed()
  }

  #takeFailed(): number {
    const { done, failed, errors } = native.pendingSettled(this.#queue)
    for (const [index, place] of failed.entries()) this.#note(place, errors[index]!)
    this.#tell(done)
    return done
  }

  /** Notes the error of a call: the first that is not done is at 0. */
  #note(place: number, error: Error): void {
    let first = 0
    for (const batch of this.#batches) {
      if (place < first + batch.left) return void batch.errors.set(batch.size - batch.left + place - first, error)
      first += batch.left
    }
  }

  /** Tells the batches that are complete, once so many more calls are done. */
  #tell(done: number): void {
    for (let left = done; left > 0; ) {
      const batch = this.#batches[0]
      if (batch === undefined) return
      const count = Math.min(batch.left, left)
      batch.left -= count
      left -= count
      if (batch.left > 0) return
      if (batch === this.#open) this.#open = undefined
      this.#batches.shift()
      batch.finish()
    }
  }
}
