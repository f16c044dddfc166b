import { JetStreamApiCodes, JetStreamApiError, JetStreamError } from '@nats-io/jetstream'
import { errors } from '@nats-io/transport-node'
import { ConnectionLost, type Link } from './link.js'

/** Answers that would be the same again: no such stream or consumer, another stream; the message or its headers are too large; the stream is sealed. */
const FINAL = new Set<number>([JetStreamApiCodes.StreamNotFound, JetStreamApiCodes.ConsumerNotFound, 10060, 10054, 10097, 10109])

/** What may go well at another time: what a server, or the way to it, has to do with. */
const PASSING = [ConnectionLost, errors.TimeoutError, errors.RequestError, errors.NoRespondersError, errors.ConnectionError, JetStreamApiError, JetStreamError]

/** The first wait, in milliseconds; each is twice the one before. */
const FIRST_WAIT = 10

export interface RetryOptions {
  /** The longest wait between two tries, in milliseconds; the first one is 10, then each is twice the one before. Default: 5000. */
  maxWait?: number
  /** Called with each failure after which it goes on, and how many milliseconds it waits before. */
  onRetry?: (error: Error, wait: number) => void
}

/** Tries again what may go well at another time, after waits that get longer. */
export class Retries {
  readonly #link: Link
  readonly #options: RetryOptions
  /** How many in a row there were. */
  #failures = 0

  constructor(link: Link, options: RetryOptions) {
    this.#link = link
    this.#options = options
  }

  /** What `work` gives; undefined where it failed and is to be tried again, now that a while has passed. */
  async attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await work()
      this.#failures = 0
      return result
    } catch (error) {
      this.#link.throwIfOver()
      if (!isPassing(error)) throw error
      const wait = Math.min(FIRST_WAIT * 2 ** this.#failures, this.#options.maxWait ?? 5000)
      this.#failures += 1
      this.#options.onRetry?.(error as Error, wait)
      await this.#link.pause(wait)
      return undefined
    }
  }
}

function isPassing(error: unknown): boolean {
  const causes = [error, (error as Error | undefined)?.cause]
  if (causes.some((cause) => cause instanceof errors.PermissionViolationError)) return false
  if (error instanceof JetStreamApiError && FINAL.has(error.code)) return false
  return causes.some((cause) => PASSING.some((kind) => cause instanceof kind))
}
