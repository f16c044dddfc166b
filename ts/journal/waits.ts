/** Waiting for records: the one place that wakes those who follow a journal. */

import { clearInterval, setInterval } from 'node:timers'
import { native } from '../shared/native.js'

/** Who waits, by the numbers of the native side (`crates/pmem-node/src/journal/waits.rs`). */
const waiting = new Map<number, () => void>()

/** What the native side wakes: a number of its own, once someone has waited. */
let waker: number | undefined
/** Keeps the process alive while someone waits, which the native side does not. */
let alive: NodeJS.Timeout | undefined

/**
 * Calls `wake` once, when there may be a record of this sequence, or after about a second. What this returns ends the wait
 * before, and after that does nothing.
 */
export function waitFor(handle: number, sequence: number, wake: () => void): () => void {
  waker ??= native.journalOnWake((wait) => forget(wait)?.())
  const wait = native.journalWait(waker, handle, sequence)
  waiting.set(wait, wake)
  alive ??= setInterval(() => {}, 2 ** 30)
  return () => void forget(wait)
}

/** Who waited under a number, if someone still does. */
function forget(wait: number): (() => void) | undefined {
  const wake = waiting.get(wait)
  if (wake === undefined) return undefined
  waiting.delete(wait)
  native.journalUnwait(wait)
  if (waiting.size === 0) {
    clearInterval(alive)
    alive = undefined
  }
  return wake
}
