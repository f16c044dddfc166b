/** Waiting for what nobody tells of. */

import { clearTimeout, setTimeout } from 'node:timers'
import type { Signal } from './signal.js'

/** What ends pauses before their time. */
export type Early = Set<() => void>

/**
 * Resolves after so many milliseconds, or when it is woken; rejects with the signal's reason once that is aborted. It keeps
 * the process alive, as a read does that has not come yet.
 */
export function pause(ms: number, signal?: Signal, early?: Early): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason as Error)
    const end = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
      early?.delete(go)
    }
    const go = () => {
      end()
      resolve()
    }
    const abort = () => {
      end()
      reject(signal!.reason as Error)
    }
    const timer = setTimeout(go, ms)
    signal?.addEventListener('abort', abort)
    early?.add(go)
  })
}

/** Ends the pauses that wait for it. */
export function wake(early: Early): void {
  for (const go of early) go()
}

/** How long to wait from one look to the next, in milliseconds: longer each time, until there was something. */
export class Backoff {
  readonly #least: number
  readonly #most: number
  #next: number

  constructor(least = 1, most = 50) {
    this.#least = least
    this.#most = most
    this.#next = least
  }

  next(): number {
    const ms = this.#next
    this.#next = Math.min(2 * ms, this.#most)
    return ms
  }

  reset(): void {
    this.#next = this.#least
  }
}
