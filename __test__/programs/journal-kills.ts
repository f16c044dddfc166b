/**
 * A process beside a journal whose writers are killed. The first argument says what it does, the second where. What it has to tell
 * it writes at once, a line each, so that a kill loses none of it.
 */

import { createHash } from 'node:crypto'
import { writeSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { journal } from 'pmem'

const [what, folder, name] = process.argv.slice(2) as [keyof typeof works, string, string]

const tell = (line: string) => void writeSync(1, `${line}\n`)
const random = (below: number) => Math.floor(Math.random() * below)
const hash = (data: Uint8Array) => createHash('sha1').update(data).digest('base64url')

/** Opens the journal for writing once nobody else does. */
async function takeOver(): Promise<journal.Journal> {
  for (;;) {
    try {
      return journal.open(folder, { segmentSize: 64 << 10, firstSequence: 1 })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      await setTimeout(1)
    }
  }
}

let batches = 0

/** The records of a batch: each says whose it is, which one of how many, and the rest is of any length. */
function newBatch(count: number): string[] {
  const batch = (batches += 1)
  return Array.from({ length: count }, (_, index) => `${name} ${batch} ${index} ${count} ${'.'.repeat(length())}`)
}

function length(): number {
  const kind = random(100)
  if (kind === 0) return random(80_000)
  return kind < 10 ? random(5000) : random(100)
}

/** Appends a batch in one of the ways there are. What was acknowledged is told, by the first record's sequence and the batch. */
async function append(events: journal.Journal): Promise<void> {
  const acknowledged = (sequence: number, batch: number) => tell(`${sequence} ${name} ${batch}`)
  const durable = random(3) > 0
  switch (random(4)) {
    case 0:
      return acknowledged(events.append(newBatch(1)[0]!, { durable }), batches)
    case 1:
      return acknowledged(events.appendMany(newBatch(2 + random(20)), { durable }), batches)
    case 2: {
      const made = Array.from({ length: 1 + random(10) }, () => [newBatch(1)[0]!, batches] as const)
      await Promise.all(made.map(([text, batch]) => events.appendAsync(text, { durable }).then((sequence) => acknowledged(sequence, batch))))
      return undefined
    }
    default: {
      const batch = newBatch(1 + random(5))
      return acknowledged(await events.appendManyAsync(batch), batches)
    }
  }
}

const works = {
  async write() {
    const events = await takeOver()
    tell('open')
    for (;;) {
      await append(events)
      if (random(2) === 0) await setTimeout(random(3))
    }
  },
  /** Tells each record, as a user who may read the files and nothing else. */
  async follow() {
    process.chdir(dirname(folder))
    if (process.getuid?.() === 0) process.setuid?.(65534)
    const events = journal.open(basename(folder), { readonly: true })
    tell('open')
    for await (const { sequence, data } of events.follow({ from: 1 })) tell(`${sequence} ${hash(data)}`)
  },
  async consume() {
    const events = journal.open(folder, { readonly: true })
    tell('open')
    await events.consume('consumer', (records) => {
      for (const { sequence, data } of records) tell(`${sequence} ${hash(data)}`)
    }, { batch: 20 })
  },
}

void works[what]()
