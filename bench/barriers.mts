// barriers.mjs folder: prints what each durable operation costs a device, by the device's own counters. scripts/bench.mjs
// starts it with a folder on a device that nothing else uses.
import { fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { journal, pmem, pmemblk, pmemlog } from 'pmem'
import { type Traffic, traffic } from './device.mjs'
import { share } from './sampling.mjs'

const REGION = 16 << 20
const PAGE = 4096
const BLOCKS = 4096
/** Operations of each kind. Concurrent ones are made by 64 callers. */
const COUNT = 256
const CALLERS = 64
const MANY = COUNT * CALLERS

interface Operation {
  readonly name: string
  /** How many operations `run` does. */
  readonly count: number
  run(): unknown
}

const repeat = (name: string, run: () => unknown, count = COUNT): Operation => ({
  name,
  count,
  run: () => {
    for (let call = 0; call < count; call++) run()
  },
})

const concurrent = (name: string, call: () => Promise<unknown>): Operation => ({
  name,
  count: MANY,
  run: () => share(CALLERS, MANY, call),
})

/** Offsets or indexes below a power of two, far apart. */
function scattered(count: number, step = 1): () => number {
  let at = 0
  return () => (at = (at * 1_664_525 + 1_013_904_223) % count) * step
}

function plain(folder: string): Operation[] {
  const file = openSync(join(folder, 'plain'), 'w+')
  writeSync(file, new Uint8Array(REGION))
  const next = scattered(REGION / PAGE, PAGE)
  const write = (data: Uint8Array) => (): void => {
    writeSync(file, data, 0, data.length, next())
    fdatasyncSync(file)
  }
  return [
    repeat('fs: write 64 B + fdatasync', write(new Uint8Array(64))),
    repeat('fs: write 4 KiB + fdatasync', write(new Uint8Array(PAGE))),
  ]
}

function log(folder: string): Operation[] {
  const opened = pmemlog.create(join(folder, 'log'), 32 << 20)
  const record = Buffer.alloc(64, 2)
  const records = Array<Buffer>(64).fill(record)
  return [
    repeat('append 64 B', () => opened.append(record)),
    repeat('appendv 64 x 64 B', () => opened.appendv(records)),
    repeat('appendMany 64 x 64 B', () => opened.appendMany(records)),
    concurrent('appendAsync 64 B by 64 callers', () => opened.appendAsync(record)),
    repeat('rewind', () => opened.rewind()),
  ]
}

function journals(folder: string): Operation[] {
  const opened = journal.open(join(folder, 'journal'))
  const record = Buffer.alloc(64, 2)
  const many = Array<Buffer>(64).fill(record)
  const cursor = opened.cursor('reader')
  let handled = 0
  const commit = (): void => cursor.commit((handled += 1))
  return [
    repeat('journal append 64 B', () => opened.append(record)),
    repeat('journal appendMany 64 x 64 B', () => opened.appendMany(many)),
    concurrent('journal appendAsync 64 B by 64 callers', () => opened.appendAsync(record)),
    repeat('journal cursor.commit', commit),
  ]
}

function blocks(folder: string): Operation[] {
  const opened = pmemblk.create(join(folder, 'blocks'), PAGE, 32 << 20)
  opened.writeMany(0, Buffer.alloc(BLOCKS * PAGE, 1))
  const block = Buffer.alloc(PAGE, 2)
  const many = Buffer.alloc(64 * PAGE, 2)
  const next = scattered(BLOCKS)
  const nextMany = scattered(BLOCKS / 64, 64)
  return [
    repeat('block write 4 KiB', () => opened.write(block, next())),
    repeat('block writeMany 64 x 4 KiB', () => opened.writeMany(nextMany(), many), 64),
    concurrent('block writeAsync 4 KiB by 64 callers', () => opened.writeAsync(block, next())),
    repeat('block setZero', () => opened.setZero(next())),
  ]
}

function region(folder: string, access: 'normal' | 'random'): Operation[] {
  const path = join(folder, `region-${access}`)
  const made = pmem.mapFile(path, { length: REGION, create: true })
  made.fill(1, 0, REGION)
  made.close()
  const options = { readonly: false, ...(access === 'random' && { access }) }
  const opened = pmem.map(path, REGION, options)
  const memory = opened.view(Uint8Array)
  const next = scattered(REGION / PAGE, PAGE)
  const persist = (length: number) => (): void => {
    const offset = next()
    memory.fill(memory[offset]! + 1, offset, offset + length)
    opened.persist(offset, length)
  }
  const ranges = Array.from({ length: 64 }, () => [next(), 8] as const)
  const persistMany = (): void => {
    for (const [offset] of ranges) memory[offset]! += 1
    opened.persistMany(ranges)
  }
  const how = access === 'random' ? ', access random' : ''
  return [
    repeat(`persist 8 B${how}`, persist(8)),
    repeat(`persist 4 KiB${how}`, persist(PAGE)),
    repeat(`persistMany 64 x 8 B${how}`, persistMany),
  ]
}

const line = (name: string, cells: readonly string[]): string =>
  name.padEnd(42) + cells.map((cell) => cell.padStart(10)).join('')

function format(name: string, { writes, flushes, bytes }: Traffic): string {
  return line(name, [writes.toFixed(3), flushes.toFixed(3), (bytes / 1024).toFixed(2)])
}

const folder = process.argv[2]!
const operations = [plain(folder), log(folder), journals(folder), blocks(folder), region(folder, 'normal'), region(folder, 'random')].flat()
console.log('Each fdatasync counts as a flush and as a write of nothing.\n')
console.log(line('for each operation', ['writes', 'flushes', 'KiB']))
for (const { name, count, run } of operations) {
  // What is left for later is not counted: this is about what the operation itself waited for.
  console.log(format(name, await traffic(folder, count, run, false)))
}
