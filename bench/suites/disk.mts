// Durable stores on a disk, one after the other. bench/c/sync.c is the least that any of them can do.
import { fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { pmemblk, pmemlog } from 'pmem'
import { atMost, belowTimesTheirs, faster, timesTheirs } from '../goals.mjs'
import { loadLmdb } from '../peers.mjs'
import type { Round, Row, Sides } from '../row.mjs'
import { calls, inC } from '../sampling.mjs'

const RECORD = 64
const RECORDS = 100_000
const PIECE = 64 << 10
const PAGE = 4096
/** A power of two, so that the steps between the blocks in use reach all of them. */
const BLOCKS = 4096
const STEP = 61
/** Stores a round. All rounds together do not reach the end of the smallest log. */
const STORES = 300

/** One pwrite and one fdatasync, in C. */
const plain = (folder: string, size: string): Round => inC(folder, 'sync', `pwrite ${size} + fdatasync`, { batch: 4 })

/** A first pass: no byte of the log is written again. */
function append(folder: string, poolSize: number): Sides {
  const log = pmemlog.create(join(folder, 'log'), poolSize)
  const record = Buffer.alloc(RECORD, 2)
  return { ours: calls(STORES, () => log.append(record)), theirs: plain(folder, '64 B') }
}

function appendMany(folder: string): Sides {
  const log = pmemlog.create(join(folder, 'log'), 16 << 20)
  log.append(new Uint8Array(log.nbyte()))
  const records = Array.from({ length: RECORDS }, (_, index) => Buffer.alloc(RECORD, index))
  const path = join(folder, 'plain')
  const write = writeInPieces(path, records)
  const before = (): void => log.rewind()
  return {
    ours: calls(4, () => log.appendMany(records), { per: RECORDS, before }),
    theirs: calls(4, write, { per: RECORDS }),
  }
}

/** Gathers the records and writes them over a file that has them all already, as the log's file has. */
function writeInPieces(path: string, records: readonly Buffer[]): () => void {
  const file = openSync(path, 'w+')
  const piece = Buffer.alloc(PIECE)
  const write = (): void => {
    let used = 0
    let at = 0
    const flush = (): void => {
      at += writeSync(file, piece, 0, used, at)
      used = 0
    }
    for (const record of records) {
      if (used + record.length > PIECE) flush()
      piece.set(record, used)
      used += record.length
    }
    flush()
    fdatasyncSync(file)
  }
  write()
  return write
}

/** An array whose blocks were all written, and a way to the next of them. */
export function writtenBlocks(folder: string): { blocks: pmemblk.BlockArray; next: () => number } {
  const blocks = pmemblk.create(join(folder, 'blocks'), PAGE, 32 << 20)
  const many = Buffer.alloc(64 * PAGE, 1)
  for (let start = 0; start < BLOCKS; start += 64) blocks.writeMany(start, many)
  let at = 0
  return { blocks, next: () => (at = (at + STEP) % BLOCKS) }
}

function writeBlock(folder: string): Round {
  const { blocks, next } = writtenBlocks(folder)
  const block = Buffer.alloc(PAGE, 2)
  return calls(STORES, () => blocks.write(block, next()))
}

function writeMany(folder: string): Round {
  const { blocks } = writtenBlocks(folder)
  const many = Buffer.alloc(64 * PAGE, 2)
  let start = 0
  return calls(24, () => blocks.writeMany((start = (start + 64) % BLOCKS), many), { per: 64 })
}

/** Values under as many keys as there are blocks, in the same order. */
function putSync(folder: string): Round {
  // Overlapping, it would return before the value is durable.
  const options = { encoding: 'binary', keyEncoding: 'uint32', overlappingSync: false } as const
  const store = loadLmdb().open({ path: join(folder, 'lmdb'), mapSize: 256 << 20, ...options })
  const value = Buffer.alloc(PAGE, 2)
  let at = 0
  return calls(STORES, () => store.putSync((at = (at + STEP) % BLOCKS), value))
}

const row = (name: string, details: Omit<Row, 'name' | 'place'>): Row => ({ name, place: 'disk', ...details })

export const rows: readonly Row[] = [
  row('append 64 B, first pass over 2 MiB', {
    against: 'pwrite+sync',
    goal: timesTheirs(2.2),
    open: (folder) => append(folder, 2 << 20),
  }),
  row('append 64 B, first pass over 1 GiB', {
    against: 'pwrite+sync',
    goal: timesTheirs(2.2),
    open: (folder) => append(folder, 1 << 30),
  }),
  row('appendMany 100,000 x 64 B, a record', {
    against: 'fs.writeSync',
    goal: belowTimesTheirs(1),
    open: appendMany,
  }),
  row('block write 4096 B', {
    against: 'pwrite+sync',
    goal: timesTheirs(2.3),
    open: (folder) => ({ ours: writeBlock(folder), theirs: plain(folder, '4 KiB') }),
  }),
  row('block write 4096 B, beside putSync', {
    against: 'lmdb',
    peer: 'lmdb',
    goal: faster,
    open: (folder) => ({ ours: writeBlock(folder), theirs: putSync(folder) }),
  }),
  row('writeMany 64 x 4096 B, a block', {
    goal: atMost(14_000),
    open: (folder) => ({ ours: writeMany(folder) }),
  }),
]
