import { EventEmitter, once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { type NatsConnection, type QueuedIterator, type Status, errors } from '@nats-io/transport-node'

/** The connection was lost while an answer was waited for. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost'

  constructor() {
    super('the connection to the server was lost')
  }
}

/**
 * A connection that may be lost and come back. A client's requests are lost with it, and time out only much later: what waits by a
 * link ends at once.
 */
export class Link implements Disposable {
  readonly #statuses: QueuedIterator<Status>
  readonly #events = new EventEmitter()
  /** Aborted where nothing is to be waited for any more: by the caller, or since the connection is closed for good. */
  readonly #end: AbortSignal
  /** Aborted by the loss of the connection; another one once it is back. */
  #loss = new AbortController()

  constructor(connection: NatsConnection, signal: AbortSignal | undefined) {
    const closed = new AbortController()
    void connection.closed().then((error) => closed.abort(error ?? new errors.ClosedConnectionError()))
    this.#end = signal === undefined ? closed.signal : AbortSignal.any([closed.signal, signal])
    // While it reconnects, a connection knows of no server.
    if (connection.info === undefined) this.#loss.abort(new ConnectionLost())
    this.#statuses = connection.status() as QueuedIterator<Status>
    void this.#watch()
  }

  async #watch(): Promise<void> {
    for await (const { type } of this.#statuses) {
      if (type === 'disconnect') this.#loss.abort(new ConnectionLost())
      if (type !== 'reconnect') continue
      this.#loss = new AbortController()
      this.#events.emit('back')
    }
  }

  /** What `work` gives, which begins once the connection is up. Rejects with `ConnectionLost`, or with the reason of the end. */
  async whileUp<T>(work: () => Promise<T>): Promise<T> {
    while (this.#loss.signal.aborted) await this.#unlessEnded((signal) => once(this.#events, 'back', { signal }))
    this.#end.throwIfAborted()
    return unless([this.#end, this.#loss.signal], work())
  }

  /** Rejects with the reason of the end. */
  pause(milliseconds: number): Promise<void> {
    return this.#unlessEnded((signal) => sleep(milliseconds, undefined, { signal }))
  }

  /** Throws the reason of the end, once that has come. */
  throwIfOver(): void {
    this.#end.throwIfAborted()
  }

  async #unlessEnded(wait: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    await wait(this.#end).catch(() => {})
    this.#end.throwIfAborted()
  }

  [Symbol.dispose](): void {
    this.#statuses.stop()
  }
}

/** Settles as a promise does, or with the reason of the signal that is aborted before. `AbortSignal.any` would leak in older versions of Node.js. */
function unless<T>(signals: AbortSignal[], work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signals.find(({ aborted }) => aborted)!.reason as Error)
    for (const signal of signals) signal.addEventListener('abort', abort)
    work.then(resolve, reject).finally(() => {
      for (const signal of signals) signal.removeEventListener('abort', abort)
    })
  })
}
