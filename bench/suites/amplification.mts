// How many bytes reach a device for each durable store, by what happened to the file before. File systems keep what was
// written or read in large pieces in large folios, and a store through a mapping then writes back all of one.
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { pmem, pmemblk, pmemlog } from 'pmem'
import { settle, traffic } from '../device.mjs'
import { below, type Goal } from '../goals.mjs'
import type { Round, Row } from '../row.mjs'
import { programInC } from '../sampling.mjs'

const KiB = 1024
/** Stores a round. */
const STORES = 256

/** What happened to a file before it is opened. */
const histories = {
  'fresh': (path: string) => path,
  'copied by cp': (path: string) => copied('cp "$1" "$2"', path),
  'copied by cat': (path: string) => copied('cat "$1" > "$2"', path),
  'read before': (path: string) => read(evicted(path)),
  'read while open': evicted,
  'evicted': evicted,
} as const

type History = keyof typeof histories

function copied(command: string, path: string): string {
  const copy = `${path}-copy`
  execFileSync('sh', ['-c', command, 'sh', path, copy])
  return copy
}

function evicted(path: string): string {
  execFileSync(programInC('evict'), [path])
  return path
}

/** Reads all of a file in large pieces, as a backup does. */
function read(path: string): string {
  const file = openSync(path, 'r')
  const piece = Buffer.allocUnsafe(1 << 20)
  while (readSync(file, piece) > 0);
  closeSync(file)
  return path
}

/** What is measured: makes a file and closes it, opens it, and stores to it once. */
interface Subject {
  make(path: string): void
  open(path: string): () => void
}

const log: Subject = {
  make: (path) => pmemlog.create(path, 16 << 20).close(),
  open: (path) => {
    const opened = pmemlog.open(path)
    const record = Buffer.alloc(64, 2)
    return () => opened.append(record)
  },
}

const blocks: Subject = {
  make: (path) => {
    const array = pmemblk.create(path, 4096, 32 << 20)
    array.writeMany(0, Buffer.alloc(4096 * 4096, 1))
    array.close()
  },
  open: (path) => {
    const opened = pmemblk.open(path)
    const block = Buffer.alloc(4096, 2)
    const next = scattered(4096)
    return () => opened.write(block, next())
  },
}

const REGION = 64 << 20

const region: Subject = {
  make: (path) => {
    using made = pmem.mapFile(path, { length: REGION, create: true })
    // Blocks that were never written would cost the file system's journal a commit each.
    made.fill(1, 0, REGION)
  },
  open: (path) => {
    const options = { readonly: false, access: 'random' } as const
    const opened = pmem.map(path, REGION, options)
    const values = opened.view(BigUint64Array)
    const next = scattered(REGION / 8)
    return () => {
      const index = next()
      values[index]! += 1n
      opened.persist(index * 8, 8)
    }
  },
}

/** Indexes below a power of two, far apart. */
function scattered(count: number): () => number {
  let at = 0
  return () => (at = (at * 1_664_525 + 1_013_904_223) % count)
}

function bytesPerStore({ make, open }: Subject, history: History, folder: string): Round {
  const path = join(folder, 'file')
  make(path)
  settle(folder)
  const prepared = histories[history](path)
  settle(folder)
  const store = open(prepared)
  if (history === 'read while open') read(prepared)
  const work = (): void => {
    for (let count = 0; count < STORES; count++) store()
  }
  return async () => (await traffic(folder, STORES, work, true)).bytes
}

const rowsOf = (name: string, subject: Subject, goal: Goal, wanted: readonly History[]): readonly Row[] =>
  wanted.map((history) => ({
    name: `bytes for ${name}, ${history}`,
    place: 'device',
    unit: 'bytes',
    goal,
    open: (folder) => ({ ours: bytesPerStore(subject, history, folder) }),
  }))

const all = Object.keys(histories) as History[]

export const rows: readonly Row[] = [
  ...rowsOf('append 64 B', log, below(12 * KiB), all),
  ...rowsOf('block write 4 KiB', blocks, below(24 * KiB), all),
  ...rowsOf('random persist 8 B', region, below(9 * KiB), all.filter((history) => history !== 'read while open')),
]
