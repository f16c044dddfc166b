/** Flushes that those share who wait at the same time. */
export class Flusher {
  #flush: () => Promise<void>
  /** The one that is under way: what was committed after it began, it may not have. */
  #running: Promise<void> | undefined
  /** The one that begins after it. */
  #next: Promise<void> | undefined

  constructor(flush: () => Promise<void>) {
    this.#flush = flush
  }

  /** Ends what waits, by a flush that `flush` does at once. */
  settle(flush: () => void): void {
    if (!this.#next) return
    try {
      flush()
      this.#flush = () => Promise.resolve()
    } catch (error) {
      this.#flush = () => Promise.reject(error as Error)
    }
  }

  /** Resolves once all that was committed by now is durable. */
  flushed(): Promise<void> {
    const before = this.#running?.catch(() => {}) ?? new Promise<void>((resolve) => setImmediate(resolve))
    this.#next ??= before.then(() => this.#begin())
    return this.#next
  }

  async #begin(): Promise<void> {
    const running = this.#flush()
    this.#running = running
    this.#next = undefined
    try {
      await running
    } finally {
      if (this.#running === running) this.#running = undefined
    }
  }
}
