/** `bench`: how fast a path is. */

import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import * as journals from '../journal/journals.js'
import * as pmemblk from '../nvml/pmemblk.js'
import * as pmemlog from '../nvml/pmemlog.js'
import * as stores from '../objects/stores.js'
import * as pmem from '../region/pmem.js'
import type { Action } from './command.js'
import { columns, tell } from './terminal.js'
import { folderOf, inTrialFolder, medianOf } from './trial.js'

/** How long each row is measured, in milliseconds. */
const EACH = 1000

const RECORD = Buffer.alloc(64, 'x')
const BATCH = Array.from({ length: 100 }, () => RECORD)

/** A row: what is done, of how many things, and how it begins in a folder. */
type Row = readonly [name: string, count: number, begin: (folder: string) => (index: number) => void]

const ROWS: readonly Row[] = [
  ['fs: writeSync + fdatasync of 64 bytes', 1, beginFs],
  ['region: copyFrom + persist of 64 bytes', 1, beginRegion],
  ['log: append of 64 bytes', 1, beginLog],
  ['blocks: write of 512 bytes', 1, beginBlocks],
  ['journal: append of 64 bytes', 1, (folder) => beginJournal(folder, false)],
  ['journal: appendMany of 100, each', 100, (folder) => beginJournal(folder, true)],
  ['objects: set of a Map', 1, (folder) => beginObjects(folder, 1)],
  ['objects: 100 sets in a transaction, each', 100, (folder) => beginObjects(folder, 100)],
]

/** What is to be closed at the end. */
const open: { close: () => void }[] = []

function beginFs(folder: string) {
  const file = openSync(join(folder, 'fs'), 'w')
  open.push({ close: () => closeSync(file) })
  return () => {
    writeSync(file, RECORD)
    fdatasyncSync(file)
  }
}

function beginRegion(folder: string) {
  const region = kept(pmem.mapFile(join(folder, 'region'), { create: true, length: 1 << 20 }) as pmem.Region)
  return (index: number) => {
    region.copyFrom(RECORD, (index % 1000) * 64)
    region.persist((index % 1000) * 64, 64)
  }
}

function beginLog(folder: string) {
  const log = kept(pmemlog.create(join(folder, 'log'), 64 << 20))
  return () => (log.free < 64 ? log.rewind() : log.append(RECORD))
}

function beginBlocks(folder: string) {
  const blocks = kept(pmemblk.create(join(folder, 'blocks')))
  const block = Buffer.alloc(512, 'x')
  return (index: number) => blocks.write(block, index % 1000)
}

function beginJournal(folder: string, many: boolean) {
  const journal = kept(journals.open(join(folder, many ? 'batches' : 'journal')))
  return many ? () => journal.appendMany(BATCH) : () => journal.append(RECORD)
}

function beginObjects(folder: string, count: number) {
  const store = kept(stores.open(join(folder, `store-${count}`), { root: () => new Map<number, number>() }))
  return (index: number) => {
    if (count === 1) return void store.root.set(index % 10_000, index)
    store.transaction(() => {
      for (let at = 0; at < count; at += 1) store.root.set((index * count + at) % 10_000, index)
    })
  }
}

function kept<T extends { close: () => void }>(opened: T): T {
  open.push(opened)
  return opened
}

export const bench: Action = async (call) => {
  const found = await inTrialFolder(folderOf(call.operands[0] ?? '.'), (trial) => ROWS.map((row) => measured(row, trial)))
  const rows = found.map(({ name, microseconds }) => [name, microseconds.toFixed(1), Math.round(1e6 / microseconds).toLocaleString('en')])
  await tell(call, found, () => columns([['', 'US', 'A SECOND'], ...rows]))
}

function measured([name, count, begin]: Row, folder: string) {
  const work = begin(folder)
  try {
    return { name, microseconds: medianOf(work, EACH) / count }
  } finally {
    open.pop()?.close()
  }
}
