/** Signals that end what waits. */

import { wrongType } from './errors.js'

/** What an `AbortSignal` is here. */
export interface Signal {
  readonly aborted: boolean
  readonly reason: unknown
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** An `AbortSignal`, also of another realm. */
export function toSignal(name: string, signal: Signal | undefined): Signal | undefined {
  if (signal === undefined) return undefined
  if (typeof signal === 'object' && signal !== null && 'aborted' in signal && typeof signal.addEventListener === 'function') return signal
  throw wrongType(name, 'an AbortSignal', signal)
}
