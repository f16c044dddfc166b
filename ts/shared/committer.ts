import { nextTick } from 'node:process'
import { native } from './native.js'

/** A call whose work was put off. */
interface Call {
  resolve: () => void
  reject: (error: unknown) => void
}

let queues = 0

/**
 * Work that was put off, in the order of its calls: a queue on the native side, where what waits is done together.
 *
 * One commit at a time is under way, on one thread of the runtime's pool. The promises of a batch settle together. A commit
 * starts when the code that runs now is done, so that calls made together are one batch.
 */
export class Committer {
  /** The queue's number on the native side. */
  readonly #queue = (queues += 1)
  /** What is not settled, in order. */
  #calls: Call[] = []
  /** Whether a commit is under way, or about to start. */
  #isBusy = false

  /**
   * What `enqueue` puts off, which gets the queue's number. A throw of it is a rejection. An error that comes later gets the
   * stack of those who await this, which costs nothing before.
   */
  async add(enqueue: (queue: number) => void): Promise<void> {
    enqueue(this.#queue)
    try {
      await this.#settled()
    } catch (error) {
      Error.captureStackTrace(error as Error, Committer.prototype.add)
      throw error
    }
  }

  /** Settles as the call that was put off last. */
  #settled(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#calls.push({ resolve, reject })
      if (this.#isBusy) return
      this.#isBusy = true
      nextTick(this.#commit)
    })
  }

  /** Settles what is done, at once: all of it, where the native side has finished all. */
  settle(): void {
    while (this.#calls.length > 0 && this.#settleBatch() > 0);
  }

  /** Resolves once all calls made before this one are settled. */
  async idle(): Promise<void> {
    const last = this.#calls.at(-1)
    if (last === undefined) return
    await new Promise<void>((resolve) => {
      const { resolve: fulfil, reject } = last
      last.resolve = () => (fulfil(), resolve())
      last.reject = (error) => (reject(error), resolve())
    })
  }

  readonly #commit = (): void => {
    if (this.#calls.length === 0) {
      this.#isBusy = false
      return
    }
    native.pendingCommit(this.#queue).then(this.#goOn, this.#goOn)
  }

  /** The next commit starts before this one's promises settle, so that the disk need not wait for what hangs on them. */
  readonly #goOn = (): void => {
    const { done, failed, errors } = native.pendingSettled(this.#queue)
    const calls = this.#calls.splice(0, done)
    if (this.#calls.length > 0) this.#commit()
    else this.#isBusy = false
    settle(calls, failed, errors)
  }

  #settleBatch(): number {
    const { done, failed, errors } = native.pendingSettled(this.#queue)
    settle(this.#calls.splice(0, done), failed, errors)
    return done
  }
}

function settle(calls: readonly Call[], failed: readonly number[], errors: readonly Error[]): void {
  let next = 0
  for (const [index, { resolve, reject }] of calls.entries()) {
    if (failed[next] === index) reject(errors[next++])
    else resolve()
  }
}
