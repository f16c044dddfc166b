/** What a transaction does: at once, since it ends when its function returns. */

import { types } from 'node:util'
import { isThenable } from '../shared/arguments.js'
import { asynchronous } from '../shared/errors.js'

/** Refuses an async function before it runs. */
export function checkSynchronous(work: unknown): void {
  if (types.isAsyncFunction(work)) throw asynchronous()
}

/** What a function has returned, which is no promise. */
export function synchronous<T>(result: T): T {
  if (isThenable(result)) throw asynchronous()
  return result
}
