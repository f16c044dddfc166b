import type { journal } from 'pmem'

/** What a record of a landed journal begins with: a line of JSON, behind which the message's bytes follow. */
interface Heading {
  /** The name of the stream. */
  stream: string
  /** The message's sequence there. */
  sequence: number
  subject: string
  /** When the stream got it: ISO 8601 with nanoseconds. */
  time: string
  headers: Record<string, string[]>
}

/** A message that `land` has put into a journal. */
export interface Landed extends Heading {
  data: Buffer
}

const LINE_END = 0x0a

export function frame(heading: Heading, data: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify(heading)}\n`), data])
}

/**
 * The message that a record of a journal is, to which `land` appends.
 *
 * @throws `ERR_INVALID_ARG_VALUE` for another journal's record.
 */
export function landed(record: journal.JournalRecord): Landed {
  const { data } = record
  const end = data.indexOf(LINE_END)
  const heading = end < 0 ? undefined : headingIn(data.toString('utf8', 0, end))
  if (heading !== undefined) return { ...heading, data: data.subarray(end + 1) }
  throw Object.assign(new TypeError(`record ${record.sequence} is no message that land has put there`), { code: 'ERR_INVALID_ARG_VALUE' })
}

function headingIn(line: string): Heading | undefined {
  try {
    const heading = JSON.parse(line) as Heading | null
    return typeof heading?.sequence === 'number' ? heading : undefined
  } catch {
    return undefined
  }
}
