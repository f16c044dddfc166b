import type { journal } from 'pmem'

/** Names the records of one journal, which no other journal's have. */
export class Identity {
  readonly #prefix: string

  constructor(journal: journal.Journal) {
    this.#prefix = `${journal.uuid}:`
  }

  /** The `Nats-Msg-Id` of a record. */
  messageOf(sequence: number): string {
    return `${this.#prefix}${sequence}`
  }

  /** The sequence of the record that a message is of; undefined where it is of none of this journal. */
  sequenceOf(message: string | undefined): number | undefined {
    return message?.startsWith(this.#prefix) ? Number(message.slice(this.#prefix.length)) : undefined
  }
}
