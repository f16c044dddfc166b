import { type JetStreamClient, type JetStreamPublishOptions, type PubAck, jetstream, jetstreamManager } from '@nats-io/jetstream'
import type { NatsConnection } from '@nats-io/transport-node'
import type { journal } from 'pmem'
import { Retries, type RetryOptions } from './failures.js'
import { Identity } from './identity.js'
import { Link } from './link.js'

type Journal = journal.Journal
type JournalRecord = journal.JournalRecord
type PublishExpectation = NonNullable<JetStreamPublishOptions['expect']>

/** How far shipping has come. */
export interface ShipProgress {
  /** The sequence of the last record that is in the stream. */
  sequence: number
  /** The sequence that its message has there. */
  streamSequence: number
}

export interface ShipOptions extends RetryOptions {
  /** One that reconnects for ever: `connect({ maxReconnectAttempts: -1 })`. It stays open. */
  connection: NatsConnection
  /** The name of the stream, which is there. */
  stream: string
  /** The subject of all messages: one of the stream's, to which nobody else publishes. */
  subject: string
  /** The name of the journal's cursor. */
  cursor: string
  /** Ends it: `ship` rejects with the signal's `reason`. */
  signal?: AbortSignal | undefined
  /** How many records are on their way at most, of 16 MiB together unless one alone has more. Default: 1024. */
  maxInFlight?: number
  /** How long an answer of the server is waited for, in milliseconds. Default: 5000. */
  timeout?: number
  /** Called when more is in the stream. */
  onProgress?: (progress: ShipProgress) => void
}

/**
 * Publishes the records of a journal to a stream of JetStream, each one's bytes as a message, from a cursor on, and those that come: in order, and each once.
 * The cursor is committed behind records that the server has acknowledged. Whatever passes (a lost connection, a server that
 * restarts or is slow, a stream that is full) is waited for. Resolves when the journal is closed.
 *
 * @throws As a rejection: the signal's `reason`; `EAGAIN` while someone else ships by this cursor; `ERR_PMEM_GAP` where records are not kept any
 * more; `ERR_PMEM_CONFLICT` where the stream has records that the journal does not have yet; errors of NATS that do not pass, such as a stream that is
 * missing, a record that is larger than a message may be, or a connection that was closed.
 */
export async function ship(journal: Journal, options: ShipOptions): Promise<void> {
  using link = new Link(options.connection, options.signal)
  const shipper = new Shipper(journal, options, link)
  const { cursor, signal, maxInFlight = 1024 } = options
  await journal.consume(cursor, (records) => shipper.ship(records), { batch: maxInFlight, ...(signal && { signal }) })
}

/** Where the stream is. */
interface Place {
  /** The sequence of the record that goes there next. */
  readonly next: number
  /** The sequence of the stream's last message. */
  readonly last: number
  /** The sequence of the subject's last message; 0 where it has none. */
  readonly lastOfSubject: number
  /** Whether the stream has no other subject, so that its last message is the subject's. */
  readonly isOwn: boolean
}

/**
 * Each message names the message that it must follow, so that the server refuses it where that one was lost, and where it came before, however long
 * ago. Where one was not acknowledged, the stream is asked: the last message of the subject says which records are there.
 */
class Shipper {
  readonly #journal: Journal
  readonly #options: ShipOptions
  readonly #link: Link
  readonly #retries: Retries
  readonly #identity: Identity
  readonly #client: JetStreamClient
  /** The sequence behind the records that were acknowledged. */
  #acknowledged: number
  /** Undefined where it is to be asked for. */
  #place: Place | undefined

  constructor(journal: Journal, options: ShipOptions, link: Link) {
    this.#journal = journal
    this.#options = options
    this.#link = link
    this.#retries = new Retries(link, options)
    this.#identity = new Identity(journal)
    this.#client = jetstream(options.connection, { timeout: options.timeout ?? 5000 })
    this.#acknowledged = journal.cursor(options.cursor).position
  }

  /** Returns once all of the records are in the stream, or the journal is closed. */
  async ship(records: JournalRecord[]): Promise<void> {
    let isDone: boolean | undefined = false
    while (!isDone && !this.#journal.closed) isDone = await this.#retries.attempt(() => this.#advance(records))
  }

  /** Publishes some of the records, and says whether all of them are in the stream. */
  async #advance(records: JournalRecord[]): Promise<boolean> {
    const place = this.#place ?? (await this.#link.whileUp(() => this.#locate()))
    this.#place = undefined
    this.#place = await this.#publish(this.#records(records, place), place)
    return this.#place !== undefined && this.#place.next > records.at(-1)!.sequence
  }

  /** Those of the records that go there next. The stream may have lost what it had acknowledged: then others, which come before them. */
  #records(records: JournalRecord[], { next, isOwn }: Place): JournalRecord[] {
    const first = records[0]!.sequence
    const limit = isOwn ? records.length : 1
    return next < first ? [...this.#journal.read({ from: next, to: first, limit })] : records.slice(next - first).slice(0, limit)
  }

  /** Where the stream is afterwards; undefined where that is to be asked for. */
  async #publish(records: JournalRecord[], place: Place): Promise<Place | undefined> {
    const answers = await this.#link.whileUp(() => Promise.allSettled(records.map((record, index) => this.#send(record, index, place))))
    const failed = answers.find((answer) => answer.status === 'rejected')
    const acks = answers.slice(0, failed && answers.indexOf(failed)).map((answer) => (answer as PromiseFulfilledResult<PubAck>).value)
    if (acks.length === 0 && failed !== undefined) throw failed.reason
    const { seq = place.last } = acks.at(-1) ?? {}
    if (acks.length > 0) this.#note(records[acks.length - 1]!.sequence, seq)
    // A duplicate is in the stream already, so that what follows it here is refused.
    if (failed !== undefined || acks.some(({ duplicate }) => duplicate)) return undefined
    return { ...place, next: place.next + acks.length, last: seq, lastOfSubject: acks.length > 0 ? seq : place.lastOfSubject }
  }

  #send({ sequence, data }: JournalRecord, index: number, place: Place): Promise<PubAck> {
    return this.#client.publish(this.#options.subject, data, { msgID: this.#identity.messageOf(sequence), expect: this.#expected(sequence, index, place) })
  }

  /** What the message of a record must follow. */
  #expected(sequence: number, index: number, { last, lastOfSubject, isOwn }: Place): Partial<PublishExpectation> {
    const streamName = this.#options.stream
    if (!isOwn) return { streamName, lastSubjectSequence: lastOfSubject }
    const lastSequence = last + index
    // Someone else's message may have got the sequence of the one before. This one's id alone would do, but a cluster that refuses a message
    // for that keeps it from coming again within the duplicate window.
    return index === 0 ? { streamName, lastSequence } : { streamName, lastSequence, lastMsgID: this.#identity.messageOf(sequence - 1) }
  }

  #note(sequence: number, streamSequence: number): void {
    this.#acknowledged = sequence + 1
    this.#options.onProgress?.({ sequence, streamSequence })
  }

  async #locate(): Promise<Place> {
    const { stream, subject } = this.#options
    const { streams } = await jetstreamManager(this.#options.connection, { checkAPI: false, timeout: this.#options.timeout ?? 5000 })
    // Asked first: where a message comes between the two answers, the next one is refused, and both are asked again.
    const { config, state } = await streams.info(stream)
    if (!config.subjects?.some((pattern) => matches(pattern, subject))) {
      throw new TypeError(`options.subject: '${subject}' is none of the subjects of the stream ${stream}, which are ${config.subjects?.join(', ')}`)
    }
    const message = await streams.getMessage(stream, { last_by_subj: subject })
    const isOwn = config.subjects.length === 1 && config.subjects[0] === subject && !config.sources?.length
    const place = { last: state.last_seq, lastOfSubject: message?.seq ?? 0, isOwn }
    const shipped = this.#identity.sequenceOf(message?.header.get('Nats-Msg-Id'))
    if (shipped === undefined) return { ...place, next: this.#acknowledged }
    if (shipped >= this.#journal.next) throw conflict(this.#journal, stream, shipped)
    // Other streams than those with limits drop what was consumed, so that an older message may be their last one.
    const next = config.retention === 'limits' ? shipped + 1 : Math.max(shipped + 1, this.#acknowledged)
    return { ...place, next }
  }
}

function matches(pattern: string, subject: string): boolean {
  const [tokens, parts] = [pattern.split('.'), subject.split('.')]
  if (tokens.at(-1) === '>') return parts.length >= tokens.length && matches(tokens.slice(0, -1).join('.'), parts.slice(0, tokens.length - 1).join('.'))
  return tokens.length === parts.length && tokens.every((token, index) => token === '*' || token === parts[index])
}

function conflict(journal: Journal, stream: string, shipped: number): Error {
  const what = `the stream ${stream} has its record ${shipped}, and the journal ends before ${journal.next}: it was restored from an older copy, or is one of two`
  return Object.assign(new Error(`${journal.path}: ${what}`), { code: 'ERR_PMEM_CONFLICT', path: journal.path, next: journal.next })
}
