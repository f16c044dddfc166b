import { Readable, Transform, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import test from 'ava'
import type { journal } from 'pmem'
import { holding, numbered, opened, pause, soon, texts } from './helpers/journals.js'
import { isError, refuses } from './helpers/pools.js'

/** All that a stream gives. */
async function all(stream: Readable): Promise<journal.JournalRecord[]> {
  const records: journal.JournalRecord[] = []
  for await (const record of stream) records.push(record as journal.JournalRecord)
  return records
}

/** What an ended stream ended with. */
function failure(work: Promise<unknown>): Promise<unknown> {
  return soon(work.then(() => undefined, (error: unknown) => error))
}

test('a stream gives the records of a range', async (t) => {
  const events = holding(t, numbered(1000))
  t.deepEqual(texts(await all(events.createReadStream())), numbered(1000))
  t.deepEqual(texts(await all(events.createReadStream({ from: 10, to: 20, limit: 5 }))), numbered(5, 10))
  t.deepEqual(texts(await all(events.createReadStream({ from: events.next }))), [])
  t.deepEqual(texts(await all(events.createReadStream({ highWaterMark: 1, from: 990 }))), numbered(10, 990))
  t.true(events.createReadStream().readableObjectMode)
  const stream = events.createReadStream()
  events.append('later')
  t.is((await all(stream)).length, 1000)
})

test('records pass from one journal into another', async (t) => {
  const from = holding(t, numbered(2500))
  const to = opened(t)
  const writer = to.createWriteStream()
  const upper = new Transform({
    objectMode: true,
    transform: (record: journal.JournalRecord, _, callback) => callback(null, record.text().toUpperCase()),
  })
  await pipeline(from.createReadStream(), upper, writer)
  t.is(writer.recordsWritten, 2500)
  t.is(to.next, 2500)
  t.deepEqual(texts(to), numbered(2500).map((text) => text.toUpperCase()))
  await pipeline(from.createReadStream({ limit: 3 }), async function* (records: AsyncIterable<journal.JournalRecord>) {
    for await (const { data } of records) yield data
  }, to.createWriteStream())
  t.deepEqual(texts(to.read({ from: 2500 })), numbered(3))
})

test('a stream that follows gives what comes, up to its end', async (t) => {
  const events = holding(t, numbered(2))
  const limited = all(events.createReadStream({ follow: true, limit: 4 }))
  const ranged = all(events.createReadStream({ follow: true, from: 1, to: 4 }))
  const endless = all(events.createReadStream({ follow: true }))
  for (const text of numbered(4, 2)) {
    await pause(5)
    events.append(text)
  }
  t.deepEqual(texts(await soon(limited)), numbered(4))
  t.deepEqual(texts(await soon(ranged)), numbered(3, 1))
  await pause(20)
  events.close()
  t.deepEqual(texts(await soon(endless)), numbered(6))
  const other = holding(t, ['x'])
  refuses(t, 'ERR_INVALID_ARG_VALUE', () => other.createReadStream({ follow: true, skipDamaged: true }))
})

test('an abort destroys a stream: before it begins, while it gives, while it waits', async (t) => {
  const events = holding(t, numbered(100))
  const reason = new Error('enough')
  const aborted = AbortSignal.abort(reason)
  t.like(await failure(all(events.createReadStream({ signal: aborted }))), { name: 'AbortError', cause: reason })
  for (const from of [0, 100]) {
    const controller = new AbortController()
    const stream = events.createReadStream({ from, follow: true, signal: controller.signal })
    const reading = failure(all(stream))
    setTimeout(() => controller.abort(reason), 20)
    t.like(await reading, { name: 'AbortError', cause: reason })
    t.true(stream.destroyed)
  }
})

test('a destroyed stream waits for nothing', async (t) => {
  const events = opened(t)
  const stream = events.createReadStream({ follow: true })
  stream.resume()
  await pause(10)
  stream.destroy()
  await soon(new Promise((resolve) => stream.on('close', resolve)))
  events.append('x')
  await pause(10)
  t.true(stream.destroyed)
})

test('a journal that is closed ends a stream with an error, if there was more', async (t) => {
  const events = holding(t, numbered(1000))
  const stream = events.createReadStream()
  const error = await failure((async () => {
    for await (const record of stream) if ((record as journal.JournalRecord).sequence === 10) events.close()
  })())
  isError(t, error, 'ERR_PMEM_CLOSED')
})

test('a stream that is overtaken is told', async (t) => {
  const events = holding(t, Array.from({ length: 200 }, () => Buffer.alloc(5000)))
  const stream = events.createReadStream()
  const error = await failure((async () => {
    for await (const record of stream) if ((record as journal.JournalRecord).sequence === 1) events.truncateBefore(150)
  })())
  t.like(error, { code: 'ERR_PMEM_GAP', first: 150 })
})

test('each chunk is a record, durable when the stream finishes', async (t) => {
  const events = opened(t)
  const stream = events.createWriteStream()
  t.is(stream.recordsWritten, 0)
  t.true(stream.writableObjectMode)
  for (const chunk of ['one', '', Buffer.from('three'), new Uint16Array([0x3434]), new ArrayBuffer(2)]) stream.write(chunk)
  await new Promise((resolve) => stream.end('last', () => resolve(undefined)))
  t.is(stream.recordsWritten, 6)
  t.is(events.next, 6)
  t.deepEqual(texts(events), ['one', '', 'three', '44', '\0\0', 'last'])
  t.false(events.closed)
})

test('what waits is appended together, in order', async (t) => {
  const events = opened(t)
  const stream = events.createWriteStream({ highWaterMark: 10 })
  await pipeline(Readable.from(numbered(5000)), stream)
  t.deepEqual(texts(events), numbered(5000))
  const large = Array.from({ length: 40 }, (_, index) => Buffer.alloc(200_000, `${index % 10}`))
  await pipeline(Readable.from(large), events.createWriteStream())
  t.deepEqual(texts(events.read({ from: 5000 })).map((text) => [text.length, text[0]]), large.map((_, index) => [200_000, `${index % 10}`]))
})

test('a stream waits while others have put much off', async (t) => {
  const events = opened(t, { maxPending: 1000 })
  const others: Promise<unknown>[] = []
  const filling = setInterval(() => {
    for (let left = 3; left > 0; left -= 1) others.push(events.appendAsync(Buffer.alloc(250)).catch(() => {}))
  }, 0)
  await pipeline(Readable.from(numbered(2000)), events.createWriteStream({ highWaterMark: 20 }))
  clearInterval(filling)
  await Promise.all(others)
  t.deepEqual(texts(events).filter((text) => text.startsWith('record')), numbered(2000))
})

test('the bytes of a chunk are those at the call of write', async (t) => {
  const events = opened(t)
  const stream = events.createWriteStream()
  const bytes = Buffer.alloc(4)
  for (let index = 0; index < 100; index += 1) stream.write(bytes.fill(`${index % 10}`))
  await new Promise((resolve) => stream.end(() => resolve(undefined)))
  t.deepEqual(texts(events), Array.from({ length: 100 }, (_, index) => `${index % 10}`.repeat(4)))
})

test('a chunk that is no data fails the stream in its turn', async (t) => {
  for (const wrong of [{ a: 1 }, 7, true]) {
    const events = opened(t)
    const stream = events.createWriteStream()
    const done = new Promise((resolve) => stream.on('error', resolve))
    stream.write('one')
    stream.write('two')
    stream.write(wrong)
    stream.write('three')
    const error = await soon(done)
    isError(t, error, 'ERR_INVALID_ARG_TYPE')
    t.is((error as { recordsWritten?: number }).recordsWritten, 2)
    t.is(stream.recordsWritten, 2)
    t.deepEqual(texts(events), ['one', 'two'])
  }
})

test('a chunk whose memory is gone fails the stream in its turn', async (t) => {
  const events = opened(t)
  const stream = events.createWriteStream()
  const gone = new Uint8Array(8)
  structuredClone(gone.buffer, { transfer: [gone.buffer] })
  stream.write('one')
  stream.write(gone)
  isError(t, await soon(new Promise((resolve) => stream.on('error', resolve))), 'ERR_INVALID_ARG_VALUE')
  t.deepEqual(texts(events), ['one'])
})

test('a journal that is closed fails a write stream', async (t) => {
  const events = opened(t)
  const stream = events.createWriteStream()
  events.close()
  stream.write('x')
  isError(t, await soon(new Promise((resolve) => stream.on('error', resolve))), 'ERR_PMEM_CLOSED')
})

test('an abort destroys a write stream, and what was appended stays', async (t) => {
  const events = opened(t)
  const controller = new AbortController()
  const stream = events.createWriteStream({ signal: controller.signal })
  const failed = new Promise((resolve) => stream.on('error', resolve))
  await new Promise((resolve) => stream.write('one', resolve))
  controller.abort()
  t.is(((await soon(failed)) as Error).name, 'AbortError')
  t.deepEqual(texts(events), ['one'])
})

test('streams are those of Node.js', (t) => {
  const events = opened(t)
  t.true(events.createReadStream() instanceof Readable)
  t.true(events.createWriteStream() instanceof Writable)
})
