/** The commands of journals. */

import * as journals from '../journal/journals.js'
import type { Journal } from '../journal/journal.js'
import type { From } from '../journal/options.js'
import type { JournalRecord } from '../journal/records.js'
import { type Action, Failure, type Input, UsageError, numberOf, textOf } from './command.js'
import { cursorsOf, requireKind } from './info.js'
import { requireNew } from './kinds.js'
import { columns, lines, print, tell } from './terminal.js'

/** How many records are appended at once. */
const BATCH = 1000

export const cat: Action = async (call) => {
  using journal = openReadonly(call.operands[0]!)
  const [from, limit] = [textOf(call, 'from'), textOf(call, 'limit')]
  const skipDamaged = call.flags['skip-damaged'] === true
  const range = { skipDamaged, ...(from !== undefined && { from: toFrom(journal, from) }), ...(limit !== undefined && { limit: numberOf('--limit', limit) }) }
  for (const record of journal.read(range)) await print(lineOf(record, call))
}

export const tail: Action = async (call) => {
  using journal = openReadonly(call.operands[0]!)
  const { first, next } = journal
  const from = Math.max(first, next - numberOf('--records', textOf(call, 'records') ?? '10'))
  for (const record of journal.read({ from, to: next })) await print(lineOf(record, call))
  if (call.flags.follow !== true) return
  for await (const record of journal.follow({ from: next })) await print(lineOf(record, call))
}

/** A sequence, a time, or a cursor's name. */
function toFrom(journal: Journal, text: string): From {
  if (/^\d+$/.test(text)) return numberOf('--from', text)
  if (!/^\d{4}-\d\d-\d\d/.test(text)) return existing(journal, text)
  const time = new Date(text)
  if (Number.isNaN(time.getTime())) throw new UsageError(`--from is a sequence, a time or a cursor, not '${text}'`)
  return time
}

/** The name of a cursor that is there: any other one would be at the beginning. */
function existing(journal: Journal, name: string): string {
  if (journal.cursors().includes(name)) return name
  throw new Failure(`there is no cursor '${name}' of the journal '${journal.path}'`)
}

/** A record as a line. */
function lineOf(record: JournalRecord, { flags }: Input): string | Buffer {
  if (flags.jsonl !== true) return Buffer.concat([record.data, Buffer.from('\n')])
  return `${JSON.stringify({ sequence: record.sequence, time: record.time.toISOString(), ...contentOf(record) })}\n`
}

function contentOf({ data }: JournalRecord): object {
  const text = data.toString()
  return Buffer.from(text).equals(data) ? { text } : { base64: data.toString('base64') }
}

export const append: Action = async ({ operands: [folder, text], flags }) => {
  using journal = journals.open(folder!)
  if (text !== undefined) return void journal.append(text)
  const take = flags.jsonl === true ? dataOf : (line: string) => line
  let records: (string | Buffer)[] = []
  let count = 0
  try {
    for await (const line of lines()) {
      count += 1
      records.push(take(line, count))
      if (records.length < BATCH) continue
      journal.appendMany(records)
      records = []
    }
  } finally {
    // What comes before a line that is none stays.
    if (records.length > 0) journal.appendMany(records)
  }
}

function dataOf(line: string, number: number): string | Buffer {
  try {
    const { text, base64 } = JSON.parse(line) as { text?: unknown; base64?: unknown }
    if (typeof text === 'string') return text
    if (typeof base64 === 'string') return Buffer.from(base64, 'base64')
  } catch {
    // It is said below.
  }
  throw new Failure(`line ${number} is no JSON with text or base64: nothing of it or behind it was appended`)
}

export const cursors: Action = async (call) => {
  using journal = openReadonly(call.operands[0]!)
  const found = cursorsOf(journal)
  const rows = [['NAME', 'POSITION', 'AHEAD'], ...found.map(({ name, position, ahead }) => [name, String(position), String(ahead)])]
  await tell(call, found, () => columns(rows))
}

export const repair: Action = async ({ operands: [folder, target] }) => {
  requireNew(target!)
  using from = openReadonly(folder!)
  using to = journals.open(target!, { firstSequence: from.first })
  const { first, next: end } = from
  let [next, copied] = [first, 0]
  const fill = (until: number) => {
    for (; next < until; next += 1) to.append('', { durable: false })
  }
  for (const { sequence, data } of from.read({ to: end, skipDamaged: true })) {
    fill(sequence)
    next = to.append(data, { durable: false }) + 1
    copied += 1
  }
  fill(end)
  to.flush()
  await print(`${copied} records copied, ${end - first - copied} lost\n`)
}

export const truncate: Action = (call) => {
  const [folder] = call.operands as [string]
  const before = textOf(call, 'before')
  if (before === undefined) throw new UsageError('--before is missing')
  requireKind(folder, 'journal')
  using journal = journals.open(folder)
  journal.truncateBefore(numberOf('--before', before))
}

function openReadonly(folder: string): Journal {
  requireKind(folder, 'journal')
  return journals.open(folder, { readonly: true })
}
