/** What is done to a journal's files by others while it is open, and what is put where one is looked for. */

import fs, { cpSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { journal } from 'pmem'
import { type FileSystem, onSmall, smallDisk } from './helpers/disks.js'
import { holding, journalFolder, numbered, opened, pause, sequences, soon, taken, texts, until } from './helpers/journals.js'
import { linux } from './helpers/linux.js'
import { KiB, MiB, refuses, rejects } from './helpers/pools.js'
import { type Peer, startProcess, startWorker } from './helpers/pools-peers.js'
import { compiledObject, ended, root } from './helpers/programs.js'

/** Another process that has a journal open. */
async function writing(t: ExecutionContext, path: string, options: journal.OpenOptions = {}): Promise<Peer> {
  const writer = startProcess(t)
  await writer.run(({ journal, kept }, path, options) => void (kept.events = journal.open(path, options)), path, options)
  return writer
}

/** Appends there. */
function append(writer: Peer, records: string[]): Promise<number> {
  return writer.run(({ kept }, records) => (kept.events as journal.Journal).appendMany(records), records)
}

/** The files of a journal's segments. */
function segments(path: string): string[] {
  return readdirSync(path).filter((name) => name.endsWith('.seg')).sort().map((name) => join(path, name))
}

const code = (error: unknown) => String((error as NodeJS.ErrnoException).code)

test('what is no journal is refused, and stays as it is', (t) => {
  const path = journalFolder(t)
  writeFileSync(path, 'a file')
  for (const readonly of [false, true]) refuses(t, 'ENOTDIR', () => journal.open(path, { readonly }))
  t.throws(() => journal.check(path))
  t.is(readFileSync(path, 'utf8'), 'a file')
  rmSync(path)
  mkdirSync(path)
  refuses(t, 'ENOENT', () => journal.open(path, { readonly: true }))
  writeFileSync(join(path, 'letter.txt'), 'dear')
  refuses(t, 'ENOTEMPTY', () => journal.open(path), { message: /letter\.txt/ })
  for (const readonly of [false, true]) refuses(t, 'ENOENT', () => journal.open(path, { readonly, create: false }))
  refuses(t, 'ENOENT', () => journal.check(path))
  t.deepEqual(readdirSync(path), ['letter.txt'])
})

test('a journal of a later version is refused, or read only, as its features say', (t) => {
  const events = holding(t, numbered(3))
  const { path } = events
  events.close()
  const [segment] = segments(path) as [string]
  const bytes = readFileSync(segment)
  const set = (offset: number) => {
    const changed = Buffer.from(bytes)
    changed[offset]! += 2
    changed.writeUInt32LE(crc(changed.subarray(0, 92)), 92)
    writeFileSync(segment, changed)
    return changed
  }
  for (const offset of [8, 16]) {
    const changed = set(offset)
    for (const readonly of [false, true]) refuses(t, 'ERR_PMEM_VERSION', () => journal.open(path, { readonly }))
    t.throws(() => journal.check(path), { code: 'ERR_PMEM_VERSION' })
    t.deepEqual(readFileSync(segment), changed)
  }
  const changed = set(20)
  refuses(t, 'ERR_PMEM_VERSION', () => journal.open(path))
  t.deepEqual(readFileSync(segment), changed)
  t.deepEqual(texts(opened(t, { readonly: true }, path)), numbered(3))
  set(12)
  t.deepEqual(texts(opened(t, {}, path)), numbered(3))
})

function crc(bytes: Buffer): number {
  let value = 0xffffffff
  for (const byte of bytes) {
    value ^= byte
    for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1
  }
  return (value ^ 0xffffffff) >>> 0
}

const accidents: [string, (path: string, other: string) => void][] = [
  ['deleted', (path) => rmSync(path)],
  ['renamed', (path) => renameSync(path, `${path}.old`)],
  ['swapped with another', (path, other) => {
    renameSync(path, `${path}.old`)
    renameSync(other, path)
    renameSync(`${path}.old`, other)
  }],
  ['truncated', (path) => truncateSync(path, 8192)],
  ['emptied', (path) => truncateSync(path, 0)],
  ['filled with zeros', (path) => writeFileSync(path, Buffer.alloc(statSync(path).size), { flag: 'r+' })],
]

for (const [what, act] of accidents) {
  test(`a segment is ${what} while it is open: the right records or an error, here and in another process`, async (t) => {
    const path = journalFolder(t)
    const writer = await writing(t, path, { segmentSize: 64 * KiB })
    const records = numbered(200).map((text) => text.padEnd(1000))
    for (let from = 0; from < 200; from += 20) await append(writer, records.slice(from, from + 20))
    const reader = opened(t, { readonly: true }, path)
    t.deepEqual(texts(reader), records)
    act(segments(path)[1]!, segments(path)[2]!)
    const found: string[] = []
    try {
      for (const record of reader) found.push(record.text())
      t.is(found.length, 200)
    } catch (error) {
      t.true(['ERR_PMEM_CORRUPT', 'ERR_PMEM_FAULT', 'ERR_PMEM_GAP'].includes(code(error)), String(error))
    }
    t.deepEqual(found, records.slice(0, found.length))
    const other = startProcess(t)
    await t.throwsAsync(other.run(({ journal }, path) => {
      for (const _ of journal.open(path, { readonly: true }));
    }, path), { code: 'ERR_PMEM_CORRUPT' })
    // The writer goes on where it is.
    t.is(await append(writer, ['on']), 200)
    await writer.kill()
    const report = journal.check(path)
    t.false(report.sound)
    t.true(report.damage!.length > 0)
    refuses(t, 'ERR_PMEM_CORRUPT', () => [...opened(t, {}, path)])
  })
}

const ends: [string, (path: string) => void][] = [
  ['removed', (path) => rmSync(path)],
  ['truncated', (path) => truncateSync(path)],
  ['filled with garbage', (path) => writeFileSync(path, Buffer.alloc(4096, 0xa5), { flag: 'r+' })],
  ['a folder', (path) => {
    rmSync(path)
    mkdirSync(path)
  }],
]

for (const [what, act] of ends) {
  test(`the file tail is ${what}: followers go on, also with the next writer`, async (t) => {
    const path = journalFolder(t)
    const writer = await writing(t, path)
    await append(writer, numbered(3))
    const reader = opened(t, { readonly: true }, path)
    const following = taken(reader.follow(), 9)
    await pause(30)
    act(join(path, 'tail'))
    t.is(reader.next, 3)
    await append(writer, numbered(3, 3))
    await until(() => reader.next === 6)
    t.is(reader.next, 6)
    await writer.kill()
    if (what === 'a folder') rmSync(join(path, 'tail'), { recursive: true })
    const next = await writing(t, path)
    t.is(await append(next, numbered(3, 6)), 6)
    t.deepEqual(await soon(following), numbered(9))
    t.is(reader.next, 9)
    t.true(journal.check(path).sound)
  })
}

test('the file lock is removed: who wrote finds out, and leaves the next writer alone', async (t) => {
  const path = journalFolder(t)
  const writer = await writing(t, path, { segmentSize: 64 * KiB })
  await append(writer, numbered(3))
  rmSync(join(path, 'lock'))
  const events = opened(t, { segmentSize: 64 * KiB }, path)
  t.is(events.appendMany(numbered(10, 3)), 3)
  const error = await writer.run(({ kept }) => {
    try {
      kept.events.appendMany([Buffer.alloc(100_000)])
    } catch (thrown) {
      return { code: (thrown as NodeJS.ErrnoException).code, message: (thrown as Error).message }
    }
    return undefined
  })
  t.like(error, { code: 'EAGAIN' })
  t.regex(error!.message, /'lock' was removed/)
  await writer.run(({ kept }) => kept.events.close())
  t.is(events.append('more'), 13)
  // As after a kill.
  const copy = journalFolder(t)
  cpSync(path, copy, { recursive: true })
  t.deepEqual(texts(opened(t, {}, copy)), [...numbered(13), 'more'])
})

linux('who may read the files and nothing else reads and follows, and moves no cursor', async (t) => {
  if (process.getuid?.() !== 0) return t.pass()
  const events = holding(t, numbered(3))
  events.cursor('worker').commit(0)
  const where = dirname(events.path)
  fs.chmodSync(where, 0o755)
  const other = startProcess(t)
  const seen = await other.run(async ({ journal, kept }, where) => {
    process.chdir(where)
    process.setuid?.(65534)
    kept.events = journal.open('journal', { readonly: true })
    const events = kept.events as journal.Journal
    const failures: unknown[] = []
    for (const work of [
      () => journal.open('journal'),
      () => events.cursor('worker').commit(1),
      () => events.cursor('other').commit(1),
      () => events.cursor('worker').delete(),
      () => events.consume('worker', () => {}),
    ]) {
      try {
        await work()
        failures.push(undefined)
      } catch (error) {
        failures.push((error as NodeJS.ErrnoException).code)
      }
    }
    const texts = Array.from(events, (record) => record.text())
    return { failures, texts, position: events.cursor('worker').position, sound: journal.check('journal').sound }
  }, where)
  t.deepEqual(seen, { failures: Array.from({ length: 5 }, () => 'EACCES'), texts: numbered(3), position: 1, sound: true })
  const next = other.run(async ({ kept }) => {
    for await (const record of (kept.events as journal.Journal).follow({ from: 3 })) return record.text()
    return undefined
  })
  events.append('record 3')
  t.is(await soon(next), 'record 3')
  return undefined
})

test('a reader in another process that is slower than retention is told where records begin, and never of damage', async (t) => {
  const path = journalFolder(t)
  const writer = await writing(t, path, { segmentSize: 64 * KiB, maxBytes: 512 * KiB })
  await append(writer, ['record 0'])
  const reader = opened(t, { readonly: true }, path)
  const flood = writer.run(async ({ kept }) => {
    const events = kept.events as journal.Journal
    for (let number = 1; number < 40_000; number += 1) {
      events.append(`record ${number}`.padEnd(300), { durable: number % 10 === 0 })
      if (number % 100 === 0) await new Promise(setImmediate)
    }
    return events.append('end')
  })
  let [from, gaps] = [0, 0]
  for (let isOver = false; !isOver;) {
    try {
      for await (const record of reader.follow({ from })) {
        t.is(record.sequence, from)
        from += 1
        isOver = record.text() === 'end'
        if (isOver) break
        if (!record.text().startsWith(`record ${record.sequence}`)) t.fail(`record ${record.sequence} is ${record.text()}`)
        // The next records are gone before it goes on, by three times what a journal of this size keeps.
        if (from === 1000) while (reader.first <= 10_000) await pause(5)
      }
    } catch (error) {
      const { first } = error as { first: number }
      t.is(code(error), 'ERR_PMEM_GAP', String(error))
      t.true(first > from, `${first} after ${from}`)
      from = first
      gaps += 1
    }
  }
  t.is(from, (await flood) + 1)
  t.true(gaps > 0)
  t.true(journal.check(path).sound)
})

test('a check beside a writer that begins and gives up segments finds no damage', async (t) => {
  const path = journalFolder(t)
  const writer = await writing(t, path, { segmentSize: 64 * KiB, maxBytes: MiB })
  await append(writer, ['record 0'])
  const enough = `${path}.enough`
  t.teardown(() => rmSync(enough, { force: true }))
  const flood = writer.run(async ({ kept }, enough) => {
    const { existsSync } = await import('node:fs')
    const events = kept.events as journal.Journal
    for (let number = 1; number < 40_000 || !existsSync(enough); number += 1) {
      events.append(`record ${number}`.padEnd(300), { durable: number % 10 === 0 })
      if (number % 100 === 0) await new Promise(setImmediate)
    }
    return events.first
  }, enough)
  for (let checks = 0; checks < 10; checks += 1) t.deepEqual(journal.check(path).damage, undefined)
  writeFileSync(enough, '')
  t.true(await flood > 0)
})

test('the folder with the cursors is removed: cursors are made again', async (t) => {
  const events = holding(t, numbered(3))
  const seen: number[] = []
  const controller = new AbortController()
  const consuming = events.consume('worker', ({ sequence }) => {
    seen.push(sequence)
    if (sequence === 1) rmSync(join(events.path, 'cursors'), { recursive: true })
    if (sequence === 4) controller.abort('done')
  }, { signal: controller.signal })
  await until(() => seen.length === 3)
  events.appendMany(numbered(2, 3))
  t.is(await soon(consuming.catch((reason: unknown) => reason)), 'done')
  t.deepEqual(seen, [0, 1, 2, 3, 4])
  t.is(events.cursor('worker').position, 5)
  t.deepEqual(events.cursors(), ['worker'])
})

test('a journal that is copied while it is written opens, and is a part of it from its beginning', async (t) => {
  const path = journalFolder(t)
  const writer = await writing(t, path, { segmentSize: 64 * MiB })
  await append(writer, numbered(10))
  const flood = writer.run(({ kept }) => {
    const events = kept.events as journal.Journal
    for (let number = 10; number < 4000; number += 1) {
      events.append(`record ${number}`)
      const wait = performance.now() + 0.2
      while (performance.now() < wait);
    }
  })
  for (let round = 0; round < 10; round += 1) {
    const copy = journalFolder(t)
    cpSync(path, copy, { recursive: true })
    const events = opened(t, {}, copy)
    t.true(events.next >= 10)
    t.deepEqual(texts(events), numbered(events.next))
    events.append('on')
    await pause(10)
  }
  await flood
})

test('the copy of a segment in a record is a record, also where it is torn', (t) => {
  const events = opened(t, { firstSequence: 1 })
  events.appendMany(numbered(100))
  const segment = readFileSync(segments(events.path)[0]!).subarray(0, 64 * KiB)
  events.append(segment)
  events.append(segment)
  const copy = journalFolder(t)
  cpSync(events.path, copy, { recursive: true })
  const file = segments(copy)[0]!
  const bytes = readFileSync(file)
  const last = bytes.lastIndexOf(segment.subarray(0, 200)) - 32
  bytes.fill(0, last, last + 8)
  writeFileSync(file, bytes)
  const again = opened(t, {}, copy)
  t.true(again.recovered.torn > 4096)
  t.is(again.next, 102)
  t.true(again.get(101)!.data.equals(segment))
  t.is(again.append('on'), 102)
  t.true(journal.check(copy).sound)
  t.true(events.get(102)!.data.equals(segment))
})

test('sequences end below 2^53', async (t) => {
  const path = journalFolder(t)
  const first = 2 ** 53 - 4
  const events = opened(t, { firstSequence: first }, path)
  t.is(events.appendMany(['one', 'two']), first)
  refuses(t, 'ERR_OUT_OF_RANGE', () => events.appendMany(['x', 'y']))
  await rejects(t, 'ERR_OUT_OF_RANGE', () => events.appendManyAsync(['x', 'y']))
  t.is(await events.appendAsync('three'), first + 2)
  for (const durable of [true, false]) refuses(t, 'ERR_OUT_OF_RANGE', () => events.append('x', { durable }))
  t.is(events.next, Number.MAX_SAFE_INTEGER)
  const cursor = events.cursor('worker')
  t.is(cursor.position, first)
  cursor.commit(first + 2)
  t.is(cursor.position, Number.MAX_SAFE_INTEGER)
  t.deepEqual(sequences(events.read({ from: first + 1 })), [first + 1, first + 2])
  events.truncateBefore(first + 1)
  events.close()
  const again = opened(t, {}, path)
  t.deepEqual([again.first, again.next], [first + 1, Number.MAX_SAFE_INTEGER])
  t.deepEqual(texts(again), ['two', 'three'])
  t.deepEqual(texts(again.read({ from: 'worker' })), [])
  for (const firstSequence of [2 ** 53, 2 ** 53 + 2, -1]) {
    refuses(t, 'ERR_OUT_OF_RANGE', () => journal.open(journalFolder(t), { firstSequence }))
  }
})

linux('a clock that goes back: times are what it said, and a time finds the first record at or after it', async (t) => {
  const path = journalFolder(t)
  const object = compiledObject(dirname(path), 'setting-clock')
  const script = `
    const { journal } = require(${JSON.stringify(root)})
    const events = journal.open(${JSON.stringify(path)}, { segmentSize: 65536 })
    events.append('one')
    process.env.CLOCK_BACK = '3600'
    events.append('an hour before')
    for (let count = 0; count < 3; count += 1) events.append(Buffer.alloc(40_000))
    process.env.CLOCK_BACK = '-3600'
    events.append('an hour after')
    delete process.env.CLOCK_BACK
    events.append('now')
    for (let count = 0; count < 3; count += 1) events.append(Buffer.alloc(40_000))
    const at = (back) => [...events.read({ from: new Date(Date.now() + back * 1000), limit: 1 })].map(({ sequence }) => sequence)
    console.log(JSON.stringify({ next: events.next, first: events.first, found: [-7200, -1800, 1800, 7200].map(at) }))
    events.close()
  `
  const { stdout, stderr, status } = await ended(process.execPath, ['-e', script], { LD_PRELOAD: object })
  t.is(status, 0, stderr)
  t.deepEqual(JSON.parse(stdout), { next: 10, first: 0, found: [[0], [0], [5], []] })
  const events = opened(t, {}, path)
  const times = [...events].map(({ timestamp }) => timestamp / 1e6)
  t.is(Math.round((times[0]! - times[1]!) / 60), 60)
  t.is(Math.round((times[5]! - times[6]!) / 60), 60)
})

for (const kind of ['tmpfs', 'ext4'] as const satisfies FileSystem[]) {
  onSmall(kind)(`a disk that fills up while a journal is written: ${kind}`, async (t) => {
    const path = join(smallDisk(t, kind, kind === 'tmpfs' ? 8 : 16), 'journal')
    const record = Buffer.alloc(20_000, 'r')
    const events = opened(t, { segmentSize: MiB }, path)
    const fill = () => {
      for (;;) events.append(record)
    }
    refuses(t, 'ENOSPC', fill, { message: /the disk has no room for the journal's next file/ })
    const { next } = events
    // A batch, all or nothing; calls that wait; once more.
    refuses(t, 'ENOSPC', () => events.appendMany(Array.from({ length: 100 }, () => record)))
    await rejects(t, 'ENOSPC', () => events.appendManyAsync(Array.from({ length: 100 }, () => record)))
    refuses(t, 'ENOSPC', () => events.append(Buffer.alloc(2 * MiB)))
    t.is(events.next, next)
    t.is([...events].length, next)
    // Small ones have room.
    t.is(events.append('small'), next)
    events.close()
    const again = opened(t, { segmentSize: MiB }, path)
    t.deepEqual(again.recovered, { torn: 0 })
    t.is(again.next, next + 1)
    t.is(again.get(next)!.text(), 'small')
    t.true(journal.check(path).sound)
    // Space comes back.
    again.truncateBefore(next)
    for (let count = 0; count < 100; count += 1) again.append(record)
    t.is(again.next, next + 101)
    t.true(journal.check(path).sound)
  })

  onSmall(kind)(`a disk that is full when a journal is made, and while a segment is prepared: ${kind}`, async (t) => {
    const disk = smallDisk(t, kind, 16)
    const path = join(disk, 'journal')
    const filler = join(disk, 'filler')
    const fill = () => {
      const file = fs.openSync(filler, 'a')
      try {
        for (let size = 1 << 16; size > 0; size >>= 1) {
          try {
            for (;;) if (fs.writeSync(file, Buffer.alloc(size)) < size) break
          } catch (error) {
            t.is(code(error), 'ENOSPC')
          }
        }
        fs.fsyncSync(file)
      } finally {
        fs.closeSync(file)
      }
    }
    fill()
    refuses(t, 'ENOSPC', () => journal.open(path))
    t.false(fs.existsSync(path) && readdirSync(path).some((name) => name.endsWith('.seg') || name.endsWith('.tmp')))
    rmSync(filler)
    const events = opened(t, { segmentSize: 4 * MiB }, path)
    const record = Buffer.alloc(10_000, 'r')
    for (let count = 0; count < 50; count += 1) events.append(record)
    // The next one is being prepared now.
    fill()
    const append = () => {
      for (;;) events.append(record)
    }
    let failure: unknown
    try {
      for (; events.next < 150;) events.append(record)
    } catch (error) {
      failure = error
    }
    // What was prepared in time is used.
    if (failure === undefined) refuses(t, 'ENOSPC', append)
    else t.is(code(failure), 'ENOSPC')
    const { next } = events
    t.true(next > 90)
    rmSync(filler)
    for (let count = 0; count < 100; count += 1) t.is(events.append(record), next + count)
    fill()
    events.close()
    t.is(opened(t, {}, path).next, next + 100)
    t.true(journal.check(path).sound)
  })
}

test('workers that are ended in any call leave a journal that goes on', async (t) => {
  const events = opened(t, { segmentSize: MiB })
  for (let round = 0; round < 12; round += 1) {
    const worker = startWorker(t)
    const working = worker.run(async ({ journal }, path, kind) => {
      const own = journal.open(path)
      const record = Buffer.alloc(300)
      for (;;) {
        if (kind === 0) own.append(record)
        if (kind === 1) await Promise.all([own.appendAsync(record), own.appendManyAsync([record, record])])
        if (kind === 2) own.appendMany([record, record], { durable: false })
        if (kind === 3) for (const _ of own.read({ limit: 100 }));
        if (kind === 4) own.cursor('worker').commit(own.append(record))
        if (kind === 5) journal.open(path).close()
      }
    }, events.path, round % 6)
    await pause(150 + round * 7)
    await worker.kill()
    const error: NodeJS.ErrnoException = await t.throwsAsync(working)
    // Node.js refuses native calls a moment before it stops a thread, which may still tell of that; a journal's errors have codes.
    t.true(error.code === 'ENDED' || error.code === undefined, error.stack)
    await soon(events.appendAsync('still here'))
    t.is(events.get(events.next - 1)!.text(), 'still here')
  }
  t.is([...events].length, events.next)
  t.true(journal.check(events.path).sound)
  events.close()
  t.deepEqual(opened(t, {}, events.path).recovered, { torn: 0 })
})
