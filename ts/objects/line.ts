import { native } from '../shared/native.js'
import type { Session } from './session.js'

/**
 * Those who wait for other threads' transactions without holding up the event loop. The first one alone waits on a thread of the runtime's
 * pool; the others stand behind it.
 */
export class Line {
  readonly #session: Session
  /** The turn of the last one in line. */
  #last: Promise<unknown> | undefined

  constructor(session: Session) {
    this.#session = session
  }

  /** Begins a transaction and calls `run` in it: at once where nobody waits, or when its turn comes, which ends when `run` returns. */
  async enter<T>(run: () => Promise<T>): Promise<T> {
    if (!this.#last && this.#begins()) return run()
    const turn = this.#turn(this.#last, performance.now(), run)
    this.#last = turn
    try {
      return (await turn).running
    } finally {
      if (this.#last === turn) this.#last = undefined
    }
  }

  async #turn<T>(before: Promise<unknown> | undefined, started: number, run: () => Promise<T>): Promise<{ running: Promise<T> }> {
    await before?.catch(() => {})
    while (!this.#begins()) await native.objectsWait(this.#session.handle(), performance.now() - started)
    return { running: run() }
  }

  #begins(): boolean {
    return this.#session.depth === 0 && this.#session.tryBegin()
  }
}
