import { type Consumer, type ConsumerMessages, type JsMsg, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import type { journal } from 'pmem'
import { Retries, type RetryOptions } from './failures.js'
import { frame, landed } from './landed.js'
import { Link } from './link.js'

type Journal = journal.Journal

/** How far landing has come. */
export interface LandProgress {
  /** The sequence of the journal's last record. */
  sequence: number
  /** The sequence that its message has in the stream. */
  streamSequence: number
}

export interface LandOptions extends RetryOptions {
  /** The consumer's, which reconnects for ever: `connect({ maxReconnectAttempts: -1 })`. It stays open. */
  connection: NatsConnection
  /** Ends it: `land` rejects with the signal's `reason`. */
  signal?: AbortSignal | undefined
  /** How long an answer of the server is waited for, in milliseconds. Default: 5000. */
  timeout?: number
  /** Called when more is in the journal. */
  onProgress?: (progress: LandProgress) => void
}

/** How much is asked of a server at once, and for how long, in milliseconds: so late a journal's close is noticed. */
const FETCH = { max_messages: 1000, expires: 2000 }

/** How many bytes may wait to be durable before more is read. */
const MOST = 16 << 20

/**
 * Appends the messages of a durable pull consumer to a journal: in the stream's order, each once, with where it came from (`landed`). A message is
 * acknowledged once its record is durable. Whatever passes is waited for. Nobody else takes messages of the consumer, or appends to the journal.
 * Resolves when the journal is closed.
 *
 * @throws As a rejection: the signal's `reason`; what `append` throws, such as `ENOSPC`; `ERR_PMEM_CONFLICT` where someone else appends, or the journal has
 * another stream's messages; errors of NATS that do not pass, such as a consumer that is missing, or a server before 2.14.
 */
export async function land(consumer: Consumer, journal: Journal, options: LandOptions): Promise<void> {
  using link = new Link(options.connection, options.signal)
  const retries = new Retries(link, options)
  const lander = new Lander(consumer, journal, options, link)
  while (!journal.closed) await retries.attempt(() => lander.land())
}

/**
 * A server gives what was not acknowledged again, but only behind what it gives meanwhile. So the consumer is set back to the first of
 * those whenever its deliveries do not count up from 1: their order is the stream's then, and the last record says which of them are there.
 */
class Lander {
  readonly #consumer: Consumer
  readonly #journal: Journal
  readonly #options: LandOptions
  readonly #link: Link
  /** How many messages were delivered since the consumer was set back; undefined where it is to be. */
  #delivered: number | undefined
  /** The sequence of the last message that was appended, which need not be durable. */
  #last = 0
  /** The sequence of the next record. */
  #next = 0
  /** Of the last record. */
  #durable: Promise<unknown> = Promise.resolve()

  constructor(consumer: Consumer, journal: Journal, options: LandOptions, link: Link) {
    this.#consumer = consumer
    this.#journal = journal
    this.#options = options
    this.#link = link
  }

  /** Appends what comes for a while. */
  async land(): Promise<void> {
    try {
      if (this.#delivered === undefined) await this.#link.whileUp(() => this.#setBack())
      const messages = await this.#link.whileUp(() => this.#consumer.fetch(FETCH))
      await this.#take(messages)
    } catch (error) {
      this.#delivered = undefined
      if (!this.#journal.closed) throw error
    }
  }

  async #setBack(): Promise<void> {
    const { connection, timeout = 5000 } = this.#options
    const { stream_name: stream, name, config } = await this.#consumer.info()
    if (config.ack_policy !== 'explicit') throw new TypeError(`the consumer ${name} has the ack_policy '${config.ack_policy}', and not 'explicit'`)
    this.#last = this.#lastOf(stream)
    this.#next = this.#journal.next
    const { consumers } = await jetstreamManager(connection, { checkAPI: false, timeout })
    await consumers.reset(stream, name)
    this.#delivered = 0
  }

  /** The sequence of the last message of a stream that the journal has. */
  #lastOf(stream: string): number {
    const { first, next } = this.#journal
    const [record] = this.#journal.read({ from: Math.max(first, next - 1) })
    if (record === undefined) return 0
    const last = landed(record)
    if (last.stream === stream) return last.sequence
    throw Object.assign(new Error(`${this.#journal.path}: it has messages of the stream ${last.stream}, and not of ${stream}`), { code: 'ERR_PMEM_CONFLICT' })
  }

  async #take(messages: ConsumerMessages): Promise<void> {
    const appends: Promise<void>[] = []
    const taking = this.#appendAll(messages, appends)
    try {
      await this.#link.whileUp(() => taking)
    } finally {
      messages.stop()
      await Promise.allSettled([taking, ...appends])
    }
    await Promise.all(appends)
  }

  async #appendAll(messages: ConsumerMessages, appends: Promise<void>[]): Promise<void> {
    for await (const message of messages) {
      if (this.#journal.closed || message.info.deliverySequence !== this.#delivered! + 1) {
        this.#delivered = undefined
        return
      }
      this.#delivered! += 1
      const append = this.#append(message)
      append.catch(() => messages.stop())
      appends.push(append)
      if (this.#journal.pending > MOST) await append
    }
  }

  async #append(message: JsMsg): Promise<void> {
    if (message.seq > this.#last) this.#durable = this.#write(message)
    await this.#durable
    message.ack()
  }

  async #write(message: JsMsg): Promise<void> {
    const { stream, streamSequence } = message.info
    const headers = Object.fromEntries(message.headers ?? [])
    const heading = { stream, sequence: streamSequence, subject: message.subject, time: message.timestamp, headers }
    const appended = this.#journal.appendAsync(frame(heading, message.data), { expected: this.#next })
    this.#last = streamSequence
    this.#next += 1
    const sequence = await appended
    this.#options.onProgress?.({ sequence, streamSequence })
  }
}
