// Durable stores on a disk by many callers at once, and what they leave of the event loop and of the thread pool.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { pmemlog } from 'pmem'
import { atMost, below, belowTimesTheirs, timesFaster } from '../goals.mjs'
import { loadLmdb, loadSqlite } from '../peers.mjs'
import type { Round, Row } from '../row.mjs'
import { concurrently, share } from '../sampling.mjs'
import { quantile } from '../statistics.mjs'
import { writtenBlocks } from './disk.mjs'

const CALLERS = 64
/** Milliseconds a round. */
const TIME = 300
const APPENDS = 10_000
const RECORD = Buffer.alloc(64, 2)

/** Enough for all that a round can append; emptied between rounds. */
function openLog(folder: string, poolSize = 64 << 20): pmemlog.Log {
  return pmemlog.create(join(folder, 'log'), poolSize)
}

function append(folder: string): Round {
  const log = openLog(folder)
  return () => {
    log.rewind()
    return concurrently(CALLERS, TIME, () => log.appendAsync(RECORD))
  }
}

export function put(folder: string): Round {
  const options = { encoding: 'binary', keyEncoding: 'uint32', mapSize: 1 << 30 } as const
  const store = loadLmdb().open({ path: join(folder, 'lmdb'), ...options })
  let key = 0
  const durablePut = async (): Promise<void> => {
    await store.put((key += 1), RECORD)
    await store.flushed
  }
  return () => concurrently(CALLERS, TIME, durablePut)
}

/** It has no calls that wait: each caller's transaction is made while the others wait. */
export function insert(folder: string): Round {
  const store = new (loadSqlite())(join(folder, 'sqlite'))
  store.pragma('journal_mode = WAL')
  store.pragma('synchronous = FULL')
  store.exec('CREATE TABLE records (id INTEGER PRIMARY KEY, data BLOB)')
  const statement = store.prepare('INSERT INTO records (data) VALUES (?)')
  return () => concurrently(1, TIME, async () => statement.run(RECORD))
}

function writeBlocks(folder: string): Round {
  const { blocks, next } = writtenBlocks(folder)
  const block = Buffer.alloc(4096, 2)
  return () => concurrently(CALLERS, TIME, () => blocks.writeAsync(block, next()))
}

/** Milliseconds between the timer's ticks, which its histogram counts as a part of each delay. */
const RESOLUTION = 1
/** Milliseconds in which the timer ticks for sure. It measures from one tick to the next. */
const TICK = 5

/** The 99th percentile of how late the event loop is while `work` goes on. */
export async function lateness(work: () => Promise<unknown>): Promise<number> {
  const monitor = monitorEventLoopDelay({ resolution: RESOLUTION })
  monitor.enable()
  await setTimeout(TICK)
  await work()
  await setTimeout(TICK)
  monitor.disable()
  return Math.max(0, monitor.percentile(99) - RESOLUTION * 1e6)
}

function loopDelay(folder: string, work: (log: pmemlog.Log) => Promise<unknown>): Round {
  const log = openLog(folder)
  return () => {
    log.rewind()
    return lateness(() => work(log))
  }
}

const byCallers = (log: pmemlog.Log): Promise<void> => share(CALLERS, APPENDS, () => log.appendAsync(RECORD))
const atOnce = (log: pmemlog.Log): Promise<unknown> =>
  Promise.all(Array.from({ length: APPENDS }, () => log.appendAsync(RECORD)))

/** Calls that give the 99th percentile some to stand on, and milliseconds after which there are no more of them. */
const STATS = 400
const LONGEST = 1000

async function stats(path: string): Promise<number> {
  const times: number[] = []
  const end = performance.now() + LONGEST
  while (times.length < STATS && performance.now() < end) {
    const start = performance.now()
    await stat(path)
    times.push(performance.now() - start)
  }
  return quantile(times, 0.99) * 1e6
}

/** The appends go on, 10,000 and more of them, until the last of the calls is back. */
function statsMeanwhile(folder: string): Round {
  const log = openLog(folder)
  const hasRoom = (): boolean => log.nbyte() - log.tell() > APPENDS * RECORD.length
  return async () => {
    log.rewind()
    const state = { over: false }
    const appends = (async () => {
      do await byCallers(log)
      while (!state.over && hasRoom())
    })()
    const result = await stats(folder)
    state.over = true
    await appends
    return result
  }
}

const row = (name: string, details: Omit<Row, 'name' | 'place'>): Row => ({ name, place: 'disk', ...details })

export const rows: readonly Row[] = [
  row('appendAsync 64 B by 64 callers', {
    goal: atMost(6000),
    open: (folder) => ({ ours: append(folder) }),
  }),
  row('appendAsync 64 B by 64 callers, beside put', {
    against: 'lmdb',
    peer: 'lmdb',
    goal: timesFaster(2),
    open: (folder) => ({ ours: append(folder), theirs: put(folder) }),
  }),
  row('appendAsync 64 B by 64 callers, beside insert', {
    against: 'better-sqlite3',
    peer: 'better-sqlite3',
    goal: timesFaster(20),
    open: (folder) => ({ ours: append(folder), theirs: insert(folder) }),
  }),
  row('writeAsync 4096 B by 64 callers', {
    goal: atMost(20_000),
    open: (folder) => ({ ours: writeBlocks(folder) }),
  }),
  row('event loop delay p99, 10,000 appendAsync by 64', {
    goal: below(5e6),
    open: (folder) => ({ ours: loopDelay(folder, byCallers) }),
  }),
  row('event loop delay p99, 10,000 appendAsync at once', {
    goal: below(5e6),
    open: (folder) => ({ ours: loopDelay(folder, atOnce) }),
  }),
  row('fs.promises.stat p99, beside appendAsync by 64', {
    against: 'idle',
    goal: belowTimesTheirs(2),
    open: (folder) => ({ ours: statsMeanwhile(folder), theirs: () => stats(folder) }),
  }),
]
