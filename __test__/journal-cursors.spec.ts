import test from 'ava'
import type { journal } from 'pmem'
import { holding, journalFolder, numbered, opened, pause, soon, texts, until } from './helpers/journals.js'
import { refuses, rejects } from './helpers/pools.js'

/** A promise, and what fulfills it. */
function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>((done) => (resolve = done))
  return { promise, resolve }
}

test('a cursor says where a reader is, also when the journal is opened again', (t) => {
  const path = journalFolder(t)
  const events = opened(t, {}, path)
  events.appendMany(numbered(10))
  const cursor = events.cursor('reader')
  t.is(cursor.name, 'reader')
  t.is(cursor.position, 0)
  t.deepEqual(events.cursors(), [])
  t.is(cursor.commit(3) as unknown, undefined)
  t.is(cursor.position, 4)
  t.is(events.cursor('reader').position, 4)
  t.deepEqual(events.cursors(), ['reader'])
  events.close()
  const again = opened(t, {}, path)
  t.is(again.cursor('reader').position, 4)
  t.deepEqual(texts(again.read({ from: 'reader', limit: 1 })), ['record 4'])
})

test('a cursor goes back by force alone', (t) => {
  const events = holding(t, numbered(10))
  const cursor = events.cursor('reader')
  cursor.commit(5)
  cursor.commit(2)
  t.is(cursor.position, 6)
  cursor.commit(5n)
  t.is(cursor.position, 6)
  cursor.commit(2, { force: false })
  t.is(cursor.position, 6)
  cursor.commit(2, { force: true })
  t.is(cursor.position, 3)
  cursor.commit(-1, { force: true })
  t.is(cursor.position, 0)
  cursor.commit(9)
  t.is(cursor.position, 10)
  for (const wrong of [10, 2 ** 53 - 2, -2, 0.5, NaN]) refuses(t, 'ERR_OUT_OF_RANGE', () => cursor.commit(wrong, { force: true }))
  refuses(t, 'ERR_OUT_OF_RANGE', () => cursor.commit(50), { message: /"sequence".* < 10, the end of the journal\. Received 50$/ })
  refuses(t, 'ERR_INVALID_ARG_TYPE', () => cursor.commit('1' as never))
  refuses(t, 'ERR_INVALID_ARG_TYPE', () => cursor.commit(1, { force: 1 as never }))
  t.is(cursor.position, 10)
})

test('a cursor is deleted, and then new', (t) => {
  const events = holding(t, numbered(10))
  const cursor = events.cursor('reader')
  cursor.delete()
  cursor.commit(5)
  cursor.delete()
  t.deepEqual(events.cursors(), [])
  t.is(cursor.position, 0)
  cursor.delete()
  cursor.commit(1)
  t.is(cursor.position, 2)
})

test('a new cursor is at the oldest record', (t) => {
  const events = holding(t, numbered(10))
  const cursor = events.cursor('reader')
  events.truncateBefore(4)
  t.is(cursor.position, 4)
  events.cursor('other').commit(5)
  events.truncateBefore(8)
  t.is(events.cursor('other').position, 6)
})

test('names may have any characters', (t) => {
  const events = holding(t, numbered(3))
  const names = ['plain', 'with space', 'UPPER', 'ä/ö', '..', '%41', 'a.b', '日本', 'nul\0']
  for (const [index, name] of names.entries()) events.cursor(name).commit(index % 3)
  t.deepEqual(events.cursors(), names.toSorted())
  for (const [index, name] of names.entries()) t.is(events.cursor(name).position, (index % 3) + 1)
})

test('records are consumed in order, each committed behind its handler', async (t) => {
  const events = holding(t, numbered(3))
  const seen: string[] = []
  const consuming = events.consume('worker', async (record) => {
    await pause(1)
    t.is(events.cursor('worker').position, record.sequence)
    seen.push(record.text())
    if (record.sequence === 5) setImmediate(() => events.close())
  })
  await until(() => events.cursor('worker').position === 3)
  t.is(events.cursor('worker').position, 3)
  events.appendMany(numbered(3, 3))
  t.is(await soon(consuming), undefined)
  t.deepEqual(seen, numbered(6))
  const again = opened(t, {}, events.path)
  t.is(again.cursor('worker').position, 6)
})

test('batches have what is there, and no more than is asked for', async (t) => {
  const events = holding(t, numbered(10))
  const batches: number[][] = []
  const controller = new AbortController()
  const handler = (records: journal.JournalRecord[]) => {
    batches.push(records.map(({ sequence }) => sequence))
    t.is(events.cursor('worker').position, records[0]!.sequence)
    if (records.at(-1)!.sequence === 9) controller.abort('done')
  }
  t.is(await events.consume('worker', handler, { batch: 4, signal: controller.signal }).catch((error: unknown) => error), 'done')
  t.deepEqual(batches, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]])
  t.is(events.cursor('worker').position, 10)
})

test('a rejection ends it, and the record is handled again', async (t) => {
  const events = holding(t, numbered(5))
  const failure = new Error('failed')
  const seen: number[] = []
  for (const kind of ['rejects', 'throws']) {
    const consuming = events.consume('worker', ({ sequence }) => {
      seen.push(sequence)
      if (sequence < 2) return undefined
      if (kind === 'throws') throw failure
      return Promise.reject(failure)
    })
    t.is(await soon(t.throwsAsync(consuming)), failure)
    t.is(events.cursor('worker').position, 2)
  }
  t.deepEqual(seen, [0, 1, 2, 2])
  const batched = events.consume('worker', () => Promise.reject(failure), { batch: 10 })
  t.is(await t.throwsAsync(batched), failure)
  t.is(events.cursor('worker').position, 2)
})

test('one consumes by a cursor at a time; others by their own', async (t) => {
  const events = holding(t, numbered(3))
  const other = opened(t, {}, events.path)
  const controller = new AbortController()
  const { signal } = controller
  const waiting = events.consume('worker', () => {}, { signal })
  await rejects(t, 'EAGAIN', () => events.consume('worker', () => {}))
  await rejects(t, 'EAGAIN', () => other.consume('worker', () => {}))
  refuses(t, 'EAGAIN', () => other.cursor('worker').delete())
  const seen: string[] = []
  const parallel = other.consume('another', (record) => void seen.push(record.text()), { signal })
  await until(() => other.cursor('another').position === 3)
  controller.abort('enough')
  for (const consuming of [waiting, parallel]) t.is(await soon(consuming.catch((error: unknown) => error)), 'enough')
  t.deepEqual(seen, numbered(3))
  // The lock is given back.
  const again = new AbortController()
  const consuming = other.consume('worker', () => {}, { signal: again.signal })
  again.abort('again')
  t.is(await soon(consuming.catch((error: unknown) => error)), 'again')
})

for (const when of ['before', 'while it waits', 'in the handler', 'after the handler']) {
  test(`an abort rejects with the signal's reason: ${when}`, async (t) => {
    const events = holding(t, when === 'while it waits' ? [] : numbered(5))
    const controller = new AbortController()
    const reason = new Error('enough')
    const seen: number[] = []
    if (when === 'before') controller.abort(reason)
    const { signal } = controller
    const consuming = events.consume('worker', async ({ sequence }) => {
      seen.push(sequence)
      if (sequence === 1 && when === 'after the handler') queueMicrotask(() => queueMicrotask(() => controller.abort(reason)))
      if (sequence !== 1 || when !== 'in the handler') return
      controller.abort(reason)
      await pause(10)
    }, { signal })
    if (when === 'while it waits') setTimeout(() => controller.abort(reason), 20)
    t.is(await soon(t.throwsAsync(consuming)), reason)
    // What was handled is committed.
    t.is(events.cursor('worker').position, seen.length)
    if (when === 'in the handler') t.deepEqual(seen, [0, 1])
    if (when === 'before') t.deepEqual(events.cursors(), [])
  })
}

test("a handler that fails by the abort is the abort's reason", async (t) => {
  const events = holding(t, numbered(5))
  const controller = new AbortController()
  const reason = new Error('enough')
  const consuming = events.consume('worker', async () => {
    controller.abort(reason)
    await Promise.reject(new Error('some other error that the abort caused'))
  }, { signal: controller.signal })
  t.is(await t.throwsAsync(consuming), reason)
  t.is(events.cursor('worker').position, 0)
})

for (const how of ['close', 'dispose', 'asyncDispose'] as const) {
  test(`a handler may close the journal, by ${how}, and that waits for nothing`, async (t) => {
    const events = holding(t, numbered(5))
    const seen: number[] = []
    const consuming = events.consume('worker', async ({ sequence }) => {
      seen.push(sequence)
      if (sequence < 1) return
      if (how === 'close') events.close()
      else if (how === 'dispose') events[Symbol.dispose]()
      else await events[Symbol.asyncDispose]()
      t.true(events.closed)
    })
    t.is(await soon(consuming), undefined)
    t.deepEqual(seen, [0, 1])
    // Whoever closed could not commit.
    const again = opened(t, {}, events.path)
    t.is(again.cursor('worker').position, 1)
  })
}

test('closing from outside does not wait for a handler, whose record is handled again', async (t) => {
  const events = holding(t, numbered(5))
  const { promise, resolve } = deferred()
  const consuming = events.consume('worker', () => promise)
  await pause(10)
  await soon(events[Symbol.asyncDispose]())
  const again = opened(t, {}, events.path)
  t.is(again.cursor('worker').position, 0)
  // Its lock is given back already.
  const controller = new AbortController()
  const others = again.consume('worker', () => controller.abort('done'), { signal: controller.signal })
  t.is(await soon(others.catch((error: unknown) => error)), 'done')
  resolve()
  t.is(await soon(consuming), undefined)
})

test('a handler that fails after the journal was closed fails', async (t) => {
  const events = holding(t, numbered(5))
  const failure = new Error('failed')
  const consuming = events.consume('worker', async () => {
    events.close()
    await Promise.reject(failure)
  })
  t.is(await soon(t.throwsAsync(consuming)), failure)
})

test('closing while it waits ends it', async (t) => {
  const events = opened(t)
  const consuming = events.consume('worker', () => {})
  await pause(10)
  events.close()
  t.is(await soon(consuming), undefined)
})

test('a handler may append, commit and consume by other cursors', async (t) => {
  const events = holding(t, ['0'])
  const consuming = events.consume('worker', async (record) => {
    const number = Number(record.text())
    if (number === 20) return events.close()
    events.cursor('other').commit(record.sequence)
    await events.appendAsync(String(number + 1))
    return undefined
  })
  await soon(consuming)
  const again = opened(t, {}, events.path)
  t.is(again.next, 21)
  t.is(again.cursor('other').position, 20)
})

test('a cursor whose records are gone is told', async (t) => {
  const events = holding(t, numbered(10))
  events.cursor('worker').commit(1)
  events.truncateBefore(5)
  const error = await t.throwsAsync(events.consume('worker', () => {}))
  t.like(error, { code: 'ERR_PMEM_GAP', first: 5 })
  events.cursor('worker').commit(4)
  const controller = new AbortController()
  const seen: string[] = []
  const consuming = events.consume('worker', (record) => {
    seen.push(record.text())
    if (seen.length === 5) controller.abort('done')
  }, { signal: controller.signal })
  t.is(await soon(consuming.catch((reason: unknown) => reason)), 'done')
  t.deepEqual(seen, numbered(5, 5))
})
