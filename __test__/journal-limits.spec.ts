/** What journals refuse, give up or cannot do: too much that waits, too many bytes, too old records, syncs that fail. */

import { dirname, join } from 'node:path'
import test from 'ava'
import { journal } from 'pmem'
import { journalFolder, numbered, opened, pause, texts } from './helpers/journals.js'
import { linux } from './helpers/linux.js'
import { MiB, isError, refuses, rejects } from './helpers/pools.js'
import { compiledObject, ended, program } from './helpers/programs.js'

test('what waits is limited, and refused at once above that', async (t) => {
  const events = opened(t, { maxPending: 1000 })
  const waiting = [0, 1, 2].map(() => events.appendAsync(Buffer.alloc(256)))
  t.true(events.pending >= 768)
  await rejects(t, 'ERR_PMEM_BUSY', () => events.appendAsync(Buffer.alloc(256)), { message: /maxPending/ })
  await rejects(t, 'ERR_PMEM_BUSY', () => events.appendManyAsync([Buffer.alloc(100), Buffer.alloc(100)]))
  // A refused one takes no sequence, and what did not wait is no concern.
  t.is(events.append(Buffer.alloc(5000)), 3)
  t.deepEqual(await Promise.all(waiting), [0, 1, 2])
  t.is(events.pending, 0)
  // One alone may be as long as it likes.
  t.is(await events.appendAsync(Buffer.alloc(3000)), 4)
})

test('the oldest records go where there are too many bytes', (t) => {
  const path = journalFolder(t)
  const events = opened(t, { segmentSize: MiB, maxBytes: 4 * MiB }, path)
  for (let index = 0; index < 100; index += 1) events.append(Buffer.alloc(100_000, `${index % 10}`))
  t.is(events.next, 100)
  t.true(events.first > 50 && events.first < 90, `${events.first}`)
  t.true(events.segments <= 4)
  t.is(events.get(events.first)!.text()[0], `${events.first % 10}`)
  t.is([...events].length, 100 - events.first)
  const gap = t.throws(() => [...events.read({ from: 0 })])
  t.like(gap, { code: 'ERR_PMEM_GAP', first: events.first, path })
})

test('records that a cursor has not come to stay, unless dropUnread', (t) => {
  const path = journalFolder(t)
  const options = { segmentSize: MiB, maxBytes: 4 * MiB }
  const events = opened(t, options, path)
  events.append('first')
  events.cursor('slow reader').commit(0)
  const record = Buffer.alloc(100_000)
  const fill = () => {
    for (let count = 0; count < 100; count += 1) events.append(record)
  }
  refuses(t, 'ENOSPC', fill, { message: /slow reader/, path })
  const { next } = events
  t.is(events.first, 0)
  refuses(t, 'ENOSPC', () => events.append(record))
  t.is(events.next, next)
  events.cursor('slow reader').commit(next - 1)
  t.is(events.append(record), next)
  events.close()
  const dropping = opened(t, { ...options, dropUnread: true }, path)
  dropping.cursor('slow reader').commit(-1 + dropping.first, { force: true })
  for (let count = 0; count < 100; count += 1) dropping.append(record)
  t.true(dropping.first > dropping.cursor('slow reader').position)
  refuses(t, 'ERR_PMEM_GAP', () => [...dropping.read({ from: 'slow reader' })])
})

test('records that are too old go, a segment at a time', async (t) => {
  const events = opened(t, { maxAge: 300 })
  events.appendMany(numbered(10))
  await pause(700)
  events.append('young')
  await pause(400)
  events.append('younger')
  t.true(events.first >= 10, `${events.first}`)
  t.deepEqual(texts(events).at(-1), 'younger')
})

for (const how of ['sync', 'async']) {
  linux(`after a flush that failed nothing is acknowledged until the journal is opened again: ${how}`, async (t) => {
    const path = journalFolder(t)
    const where = dirname(path)
    const object = compiledObject(where, 'failing-sync')
    const env = { LD_PRELOAD: object, SYNC_FOLDER: where, PMEM_IS_PMEM_FORCE: '0' }
    const { status, stdout, stderr } = await ended(process.execPath, [program('journal.js'), 'unsynced', path, how], env)
    t.is(status, 0, stderr)
    const told = JSON.parse(stdout) as { errors: object[]; next: number; texts: string[] }
    t.is(told.errors.length, 5)
    for (const error of told.errors) t.like(error, { code: 'EIO', errno: -5, uncertain: true, path })
    t.is(told.next, 1)
    // What was not acknowledged may be there.
    t.is(told.texts[0], 'acknowledged')
    t.is(told.texts.at(-1), 'after')
    const report = journal.check(path)
    t.true(report.sound)
    t.is(report.records, told.texts.length)
  })
}

test('a journal in a folder that holds something else, or that is no folder', (t) => {
  const path = journalFolder(t)
  refuses(t, 'ENOTDIR', () => journal.open(join(program('journal.js'), 'journal')))
  t.throws(() => journal.check(program('journal.js')))
  isError(t, t.throws(() => journal.open(join(path, 'missing', 'journal'))), 'ENOENT')
})
