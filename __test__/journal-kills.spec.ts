/** Writers that are killed at any time, one after the other, and who reads meanwhile, without a break. */

import { createHash } from 'node:crypto'
import { chmodSync } from 'node:fs'
import { dirname } from 'node:path'
import type { ExecutionContext } from 'ava'
import { journal } from 'pmem'
import { journalFolder, opened, pause, until } from './helpers/journals.js'
import { linux } from './helpers/linux.js'
import { KILLS, type Teller, start as startTeller } from './helpers/tellers.js'

const random = (below: number) => Math.floor(Math.random() * below)
const hash = (data: Uint8Array) => createHash('sha1').update(data).digest('base64url')

const start = (t: ExecutionContext, ...args: string[]) => startTeller(t, 'journal-kills.js', ...args)
const isOpen = ({ lines }: Teller) => until(() => lines.length > 0)

/** What a reader has told: sequences and hashes. */
function told({ lines }: Teller): [number, string][] {
  return lines.slice(1).map((line) => line.split(' ') as [string, string]).map(([sequence, sum]) => [Number(sequence), sum])
}

/** That each record that a reader has told is the journal's, one after the other. */
function follows(t: ExecutionContext, seen: [number, string][], all: readonly string[]): void {
  const from = seen[0]?.[0] ?? 1
  const wrong = seen.findIndex(([sequence, sum], index) => sequence !== from + index || sum !== all[sequence - 1])
  t.is(wrong, -1, `${seen[wrong]} after ${seen[wrong - 1]}, and there is ${all[(seen[wrong]?.[0] ?? 0) - 1]}`)
}

/** What the text of a record says of it. */
function parse(record: journal.JournalRecord): { writer: string; batch: string; index: number; count: number } {
  const [writer, batch, index, count] = record.text().split(' ', 4) as [string, string, string, string]
  return { writer, batch, index: Number(index), count: Number(count) }
}

/** That batches are there as a whole, and those of a writer in their order. */
function areWhole(t: ExecutionContext, records: journal.JournalRecord[]): void {
  let before: ReturnType<typeof parse> | undefined
  for (const record of records) {
    const own = parse(record)
    const isNext = before && own.writer === before.writer && own.batch === before.batch && own.index === before.index + 1
    const isNew = own.index === 0 && (before === undefined || before.index === before.count - 1)
    if (!isNext && !isNew) t.fail(`record ${record.sequence} is ${JSON.stringify(own)} after ${JSON.stringify(before)}`)
    if (isNew && before?.writer === own.writer && Number(own.batch) <= Number(before.batch)) t.fail(`record ${record.sequence} comes too late`)
    before = own
  }
  t.true(before === undefined || before.index === before.count - 1)
}

linux('writers are killed, and nothing is lost, of what they were told and of what was read', async (t) => {
  t.timeout(KILLS * 5000 + 60_000)
  const path = journalFolder(t)
  chmodSync(dirname(path), 0o755)
  const writers = [start(t, 'write', path, '0')]
  await isOpen(writers[0]!)
  const follower = start(t, 'follow', path)
  const consumers = [start(t, 'consume', path)]
  await isOpen(follower)
  for (let number = 1; number <= KILLS; number += 1) {
    const writer = writers.at(-1)!
    // The next one waits for the lock already, mostly; and one of four is killed while it opens the journal.
    writers.push(start(t, 'write', path, `${number}`))
    if (number % 4 > 0) await isOpen(writer)
    await pause(number % 4 > 0 ? random(400) : random(80))
    await writer.kill()
    if (number % 5 > 0) continue
    await consumers.at(-1)!.kill()
    consumers.push(start(t, 'consume', path))
  }
  const last = writers.at(-1)!
  await isOpen(last)
  await pause(100)
  await last.kill()

  const report = journal.check(path)
  t.true(report.sound, JSON.stringify(report.damage))
  const events = opened(t, { create: false }, path)
  const records = [...events]
  const { next } = events
  t.deepEqual([records[0]!.sequence, records.length], [1, next - 1])
  t.true(events.segments > KILLS / 4, `${events.segments}`)
  areWhole(t, records)
  const all = records.map(({ data }) => hash(data))

  const isAtEnd = (reader: Teller) => Number(reader.lines.at(-1)?.split(' ')[0]) === next - 1
  const areAtEnd = () => isAtEnd(follower) && isAtEnd(consumers.at(-1)!)
  for (let left = 10; left > 0 && !areAtEnd(); left -= 1) await until(areAtEnd)
  await follower.kill()
  await consumers.at(-1)!.kill()
  const seen = told(follower)
  t.deepEqual([seen[0]?.[0], seen.length], [1, next - 1])
  follows(t, seen, all)
  let behind = 1
  for (const consumer of consumers) {
    const handled = told(consumer)
    follows(t, handled, all)
    if (handled.length === 0) continue
    t.true(handled[0]![0] <= behind, `${handled[0]![0]} comes after ${behind - 1}`)
    behind = Math.max(behind, handled.at(-1)![0] + 1)
  }
  t.is(behind, next)

  let acknowledged = 0
  for (const { lines } of writers) {
    for (const line of lines.slice(1)) {
      const [sequence, writer, batch] = line.split(' ') as [string, string, string]
      const record = events.get(Number(sequence))
      const is = record && parse(record)
      if (is?.writer !== writer || is.batch !== batch || is.index !== 0) t.fail(`acknowledged: ${line}; there is ${JSON.stringify(is)}`)
      acknowledged += 1
    }
  }
  t.true(acknowledged > KILLS)
  t.log(`${KILLS} kills, ${records.length} records in ${events.segments} segments, ${acknowledged} acknowledged appends`)
})
