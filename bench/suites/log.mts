// Logs on what counts as persistent memory, by both engines. bench/c/log.c is the same with libpmemlog.
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { pmemlog } from 'pmem'
import { below, atMost, type Goal, timesTheirs } from '../goals.mjs'
import type { Row, Sides } from '../row.mjs'
import { inC, inJs } from '../sampling.mjs'

const SIZE = 16 << 20
const RECORD = 64
const PARTS = 64
const RECORDS = 100_000
const PIECE = 64 << 10

type Engine = 'pmdk' | 'rust'

const row = (name: string, engine: Engine, goal: Goal, open: (folder: string) => Sides, against = 'C'): Row => ({
  name: `${name}, ${engine}`,
  place: 'memory',
  against,
  goal,
  open,
})

/** A log whose pages were all written: the first write to a page costs a fault. */
function emptied(folder: string, engine: Engine): pmemlog.Log {
  const log = pmemlog.create(join(folder, 'log'), SIZE, { engine })
  log.append(new Uint8Array(log.nbyte()))
  log.rewind()
  return log
}

/** Empties the log where `length` bytes do not fit: after thousands of appends, so that it does not count. */
function room(log: pmemlog.Log): (length: number) => void {
  let left = log.nbyte()
  return (length) => {
    if (left < length) {
      log.rewind()
      left = log.nbyte()
    }
    left -= length
  }
}

function append(folder: string, engine: Engine, data: Buffer | string): Sides {
  const log = emptied(folder, engine)
  const reserve = room(log)
  const ours = inJs(() => {
    reserve(RECORD)
    log.append(data)
  })
  return { ours, theirs: inC(folder, 'log', 'append 64 B') }
}

function appendv(folder: string, engine: Engine): Sides {
  const log = emptied(folder, engine)
  const reserve = room(log)
  const parts = Array<Buffer>(PARTS).fill(Buffer.alloc(RECORD, 2))
  const ours = inJs(() => {
    reserve(PARTS * RECORD)
    log.appendv(parts)
  }, { per: PARTS })
  return { ours, theirs: inC(folder, 'log', 'appendv 64 x 64 B', { per: PARTS }) }
}

function appendMany(folder: string, engine: Engine): Sides {
  const log = emptied(folder, engine)
  const reserve = room(log)
  const records = Array.from({ length: RECORDS }, (_, index) => Buffer.alloc(RECORD, index))
  const ours = inJs(() => {
    reserve(RECORDS * RECORD)
    log.appendMany(records)
  }, { batch: 4, per: RECORDS })
  return { ours }
}

/** A scan of records, beside a file read in pieces that are then taken apart. */
function scan(folder: string, engine: Engine, each: (log: pmemlog.Log, look: (record: Buffer) => void) => void): Sides {
  const log = pmemlog.create(join(folder, 'log'), SIZE, { engine })
  log.append(new Uint8Array(RECORDS * RECORD))
  let sum = 0
  const look = (record: Buffer): void => {
    sum += record[0]!
  }
  const ours = inJs(() => {
    each(log, look)
    return sum
  }, { batch: 4, per: RECORDS })
  return { ours, theirs: inJs(readRecords(join(folder, 'plain')), { batch: 4, per: RECORDS }) }
}

function readRecords(path: string): () => number {
  const file = openSync(path, 'w+')
  writeSync(file, new Uint8Array(RECORDS * RECORD))
  process.once('exit', () => closeSync(file))
  let sum = 0
  return () => {
    for (let at = 0; at < RECORDS * RECORD; ) {
      const piece = Buffer.allocUnsafe(PIECE)
      const length = readSync(file, piece, 0, PIECE, at)
      for (let offset = 0; offset < length; offset += RECORD) sum += piece.subarray(offset, offset + RECORD)[0]!
      at += length
    }
    return sum
  }
}

function walkWhole(folder: string, engine: Engine): Sides {
  const log = pmemlog.create(join(folder, 'log'), SIZE, { engine })
  log.append(new Uint8Array(RECORDS * RECORD))
  let sum = 0
  const look = (everything: Buffer): void => {
    for (let at = 0; at < everything.length; at += RECORD) sum += everything[at]!
  }
  const ours = inJs(() => {
    log.walk(look)
    return sum
  }, { batch: 4, per: RECORDS })
  return { ours, theirs: inC(folder, 'log', 'walk 100,000 x 64 B', { batch: 4, per: RECORDS }) }
}

const bytes = Buffer.alloc(RECORD, 2)
const text = 'x'.repeat(RECORD)

const of = (engine: Engine): readonly Row[] => [
  row('append 64 B', engine, timesTheirs(1.15), (folder) => append(folder, engine, bytes)),
  row('append 64 B string', engine, timesTheirs(1.3), (folder) => append(folder, engine, text)),
  row('appendv 64 x 64 B, a record', engine, timesTheirs(3), (folder) => appendv(folder, engine)),
  row('appendMany 100,000 x 64 B, a record', engine, below(50), (folder) => appendMany(folder, engine), ''),
  row(
    'walk 100,000 x 64 B by 64 B, a record',
    engine,
    atMost(30),
    (folder) => scan(folder, engine, (log, look) => log.walk(look, RECORD)),
    'fs.readSync',
  ),
  row(
    'chunks 100,000 x 64 B, a record',
    engine,
    atMost(30),
    (folder) =>
      scan(folder, engine, (log, look) => {
        for (const chunk of log.chunks(RECORD)) look(chunk)
      }),
    'fs.readSync',
  ),
  { ...row('walk 100,000 x 64 B at once, a record', engine, atMost(0), (folder) => walkWhole(folder, engine)), goal: undefined },
]

export const rows: readonly Row[] = [...of('pmdk'), ...of('rust')]
