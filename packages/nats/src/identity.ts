import { closeSync, openSync, readSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { journal } from 'pmem'

/** Where the header of a segment has the journal's uuid (docs/journal-format.md). */
const [UUID, END] = [24, 40]

/** Names the records of one journal, which no other journal's have. */
export class Identity {
  readonly #prefix: string

  constructor(journal: journal.Journal) {
    this.#prefix = `${uuidOf(journal.path)}:`
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

/** The uuid of the journal in a folder, which is open and so has a segment. */
function uuidOf(folder: string): string {
  for (;;) {
    const segment = readdirSync(folder).find((name) => name.endsWith('.seg'))
    if (segment === undefined) throw new Error(`${folder}: no segment of a journal is there`)
    try {
      return uuidIn(join(folder, segment))
    } catch (error) {
      // Retention has removed it meanwhile.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}

function uuidIn(segment: string): string {
  const header = Buffer.alloc(END)
  const file = openSync(segment, 'r')
  try {
    readSync(file, header, 0, END, 0)
  } finally {
    closeSync(file)
  }
  return header.toString('hex', UUID)
}
