// Journals: on what counts as persistent memory beside libpmemlog (bench/c/log.c), on a disk beside plain writes
// (bench/c/sync.c) and other stores. Records are appended through many segments.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { journal } from 'pmem'
import { type Goal, atMost, below, belowTimesTheirs, faster, timesFaster, timesTheirs } from '../goals.mjs'
import { loadLmdb, loadSqlite } from '../peers.mjs'
import type { Round, Row } from '../row.mjs'
import { calls, concurrently, inC, inJs } from '../sampling.mjs'
import { median, quantile } from '../statistics.mjs'
import { insert, lateness, put } from './concurrency.mjs'

const RECORD = Buffer.alloc(64, 2)
const RECORDS = 100_000
const CALLERS = 64
/** Milliseconds a round. */
const TIME = 300
/** Stores a round, on a disk. */
const STORES = 300
const MiB = 1 << 20

/** A journal that takes no more space than the machine has, however many records a row appends. */
function bounded(folder: string, segmentSize = 64 * MiB): journal.Journal {
  return journal.open(join(folder, 'journal'), { segmentSize, maxBytes: 8 * segmentSize })
}

function append(folder: string, durable: boolean): Round {
  const records = bounded(folder)
  const options = { durable }
  return inJs(() => records.append(RECORD, options))
}

function appendDefault(folder: string): Round {
  const records = bounded(folder)
  return inJs(() => records.append(RECORD))
}

/** Through rolls: segments are of 1 MiB, a roll each 10,900 records. */
function appendOnDisk(folder: string): Round {
  const records = bounded(folder)
  return calls(STORES, () => records.append(RECORD))
}

/** Each is flushed, in a file that grows. */
function appendFile(folder: string): Round {
  const path = join(folder, 'plain')
  return calls(STORES, () => appendFileSync(path, RECORD, { flush: true }))
}

function putSync(folder: string): Round {
  const options = { encoding: 'binary', keyEncoding: 'uint32', overlappingSync: false } as const
  const store = loadLmdb().open({ path: join(folder, 'lmdb'), mapSize: 256 * MiB, ...options })
  let key = 0
  return calls(STORES, () => store.putSync((key += 1), RECORD))
}

function insertSync(folder: string): Round {
  const store = new (loadSqlite())(join(folder, 'sqlite'))
  store.pragma('journal_mode = WAL')
  store.pragma('synchronous = FULL')
  store.exec('CREATE TABLE records (id INTEGER PRIMARY KEY, data BLOB)')
  const statement = store.prepare('INSERT INTO records (data) VALUES (?)')
  return calls(STORES, () => statement.run(RECORD))
}

/** The 99.9th percentile of appends, through three rolls a round. */
function slowest(folder: string): Round {
  const records = bounded(folder, MiB)
  return () => {
    const times: number[] = []
    const until = records.next + 33_000
    while (records.next < until) {
      const start = performance.now()
      records.append(RECORD)
      times.push(performance.now() - start)
    }
    return quantile(times, 0.999) * 1e6
  }
}

function appendAsync(folder: string): Round {
  const records = bounded(folder)
  return () => concurrently(CALLERS, TIME, () => records.appendAsync(RECORD))
}

function loopDelay(folder: string): Round {
  const records = bounded(folder)
  return () => lateness(() => concurrently(CALLERS, TIME, () => records.appendAsync(RECORD)))
}

function appendMany(folder: string): Round {
  const records = bounded(folder)
  const many = Array.from({ length: RECORDS }, (_, index) => Buffer.alloc(64, index))
  return calls(4, () => records.appendMany(many), { per: RECORDS })
}

/** Puts the records together to pieces of 64 KiB, as a caller of fs has to. */
function writePieces(folder: string): Round {
  const many = Array.from({ length: RECORDS }, (_, index) => Buffer.alloc(64, index))
  const file = openSync(join(folder, 'plain'), 'w+')
  const piece = Buffer.alloc(64 << 10)
  const write = (): void => {
    let used = 0
    let at = 0
    for (const record of many) {
      if (used === piece.length) {
        at += writeSync(file, piece, 0, used, at)
        used = 0
      }
      piece.set(record, used)
      used += record.length
    }
    writeSync(file, piece, 0, used, at)
    fdatasyncSync(file)
  }
  write()
  return calls(4, write, { per: RECORDS })
}

function read(folder: string): Round {
  const records = journal.open(join(folder, 'journal'))
  records.appendMany(Array<Buffer>(RECORDS).fill(RECORD))
  let sum = 0
  return inJs(() => {
    for (const { sequence, data } of records) sum += sequence + data[0]!
    return sum
  }, { batch: 4, per: RECORDS })
}

/** From an append's return to another process's seeing the record; less than nothing where it was seen before. */
async function follow(folder: string): Promise<Round> {
  const path = join(folder, 'journal')
  const records = journal.open(path)
  const follower = fork(fileURLToPath(new URL('../programs/follower.mjs', import.meta.url)), [path])
  await once(follower, 'message')
  process.once('exit', () => follower.kill('SIGKILL'))
  return async () => {
    const times: number[] = []
    for (let count = 0; count < 100; count++) {
      const seen = once(follower, 'message')
      records.append(RECORD)
      const returned = process.hrtime.bigint()
      times.push(Number(BigInt((await seen)[0] as string) - returned))
    }
    return Math.max(0, median(times))
  }
}

/** Opening a journal of 1 GiB that another process has left, and the first append. */
async function reopen(folder: string, end: 'close' | 'kill'): Promise<Round> {
  const path = join(folder, 'journal')
  const program = fileURLToPath(new URL('../programs/writer.mjs', import.meta.url))
  const leave = async (bytes: number): Promise<void> => {
    const child = fork(program, [path, String(bytes), end])
    await once(child, 'close')
  }
  await leave(1 << 30)
  return async () => {
    await leave(64 << 10)
    const start = performance.now()
    const records = journal.open(path)
    records.append(RECORD)
    const taken = performance.now() - start
    records.close()
    return taken * 1e6
  }
}

const memory = (name: string, goal: Goal, open: (folder: string) => Round, against?: string): Row => ({
  name: `journal: ${name}`,
  place: 'memory',
  goal,
  ...(against === undefined ? {} : { against }),
  open: (folder) => ({
    ours: open(folder),
    ...(against === undefined ? {} : { theirs: inC(folder, 'log', 'append 64 B') }),
  }),
})

const disk = (name: string, details: Omit<Row, 'name' | 'place'>): Row => ({ name: `journal: ${name}`, place: 'disk', ...details })

export const rows: readonly Row[] = [
  memory('append 64 B', timesTheirs(0.9), appendDefault, 'C'),
  memory('append 64 B, durable: false', below(500), (folder) => append(folder, false)),
  memory('read 100,000 x 64 B, a record', atMost(60), read),
  disk('append 64 B', {
    against: 'pwrite+sync',
    goal: timesTheirs(1.15),
    open: (folder) => ({
      ours: appendOnDisk(folder),
      theirs: inC(folder, 'sync', 'pwrite 96 B + fdatasync', { batch: 4 }),
    }),
  }),
  disk('append 64 B, beside appendFileSync', {
    against: 'fs',
    goal: faster,
    open: (folder) => ({ ours: appendOnDisk(folder), theirs: appendFile(folder) }),
  }),
  disk('append 64 B, beside putSync', {
    against: 'lmdb',
    peer: 'lmdb',
    goal: faster,
    open: (folder) => ({ ours: appendOnDisk(folder), theirs: putSync(folder) }),
  }),
  disk('append 64 B, beside one-row transactions', {
    against: 'better-sqlite3',
    peer: 'better-sqlite3',
    goal: faster,
    open: (folder) => ({ ours: appendOnDisk(folder), theirs: insertSync(folder) }),
  }),
  disk('append 64 B, p99.9 through rolls', { goal: below(5e6), rounds: 3, open: (folder) => ({ ours: slowest(folder) }) }),
  disk('appendAsync 64 B by 64 callers', { goal: atMost(6000), open: (folder) => ({ ours: appendAsync(folder) }) }),
  disk('appendAsync 64 B by 64 callers, beside put', {
    against: 'lmdb',
    peer: 'lmdb',
    goal: timesFaster(2),
    open: (folder) => ({ ours: appendAsync(folder), theirs: put(folder) }),
  }),
  disk('appendAsync 64 B by 64 callers, beside insert', {
    against: 'better-sqlite3',
    peer: 'better-sqlite3',
    goal: timesFaster(20),
    open: (folder) => ({ ours: appendAsync(folder), theirs: insert(folder) }),
  }),
  disk('event loop delay p99, appendAsync by 64', { goal: below(5e6), open: (folder) => ({ ours: loopDelay(folder) }) }),
  disk('appendMany 100,000 x 64 B, a record', {
    against: 'fs.writeSync',
    goal: belowTimesTheirs(1),
    open: (folder) => ({ ours: appendMany(folder), theirs: writePieces(folder) }),
  }),
  disk('follow in another process, median', {
    goal: below(100_000),
    open: async (folder) => ({ ours: await follow(folder) }),
  }),
  disk('open 1 GiB after a close, first append', {
    goal: below(5e6),
    open: async (folder) => ({ ours: await reopen(folder, 'close') }),
  }),
  disk('open 1 GiB after a kill, first append', {
    goal: below(50e6),
    open: async (folder) => ({ ours: await reopen(folder, 'kill') }),
  }),
]
