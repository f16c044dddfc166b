import assert from 'node:assert/strict'
import { cpSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { jetstream } from '@nats-io/jetstream'
import { journal } from 'pmem'
import { ship } from 'pmem-nats'
import { connectTo, newFolder, needsServer, startServer } from './helpers/server.mjs'
import { addStream, goingOn, messagesOf, textsOf, until } from './helpers/streams.mjs'

const texts = (from, to) => Array.from({ length: to - from }, (_, index) => `record ${from + index}`)

/** A server with a stream, and a journal to ship to it. */
async function setUp(t, config, options) {
  const folder = newFolder()
  const server = await startServer(t, folder)
  const connection = await connectTo(t, server)
  const manager = await addStream(connection, config)
  const events = journal.open(join(folder, 'journal'), options)
  t.after(() => events.close())
  return { folder, server, connection, manager, events }
}

/** Ships until `stop`. */
function shipping(t, events, connection, options) {
  const to = { connection, stream: 'events', subject: 'events.a', cursor: 'nats' }
  const { ended, stop } = goingOn(t, (signal) => ship(events, { ...to, signal, ...options }))
  return { ended, stop, shipped: (count) => Promise.race([ended, until(() => events.cursor('nats').position === count)]) }
}

test('records are shipped in order, those that are there and those that come', needsServer, async (t) => {
  const { connection, events } = await setUp(t)
  events.appendMany(texts(0, 3000))
  const progress = []
  const { shipped, stop } = shipping(t, events, connection, { onProgress: (made) => progress.push(made) })
  await shipped(3000)
  events.append('record 3000')
  await shipped(3001)
  await stop()

  const messages = await messagesOf(connection)
  assert.deepEqual(messages.map(({ text }) => text), texts(0, 3001))
  const ids = messages.map(({ id }) => id.split(':'))
  assert.ok(ids.every(([uuid, sequence], index) => uuid === events.uuid && Number(sequence) === index))
  assert.deepEqual(progress.at(-1), { sequence: 3000, streamSequence: 3001 })
})

test('what was sent before is not sent twice, also after the duplicate window', needsServer, async (t) => {
  const { connection, events } = await setUp(t, { duplicate_window: 100e6 })
  events.appendMany(texts(0, 100))
  const before = shipping(t, events, connection)
  await before.shipped(100)
  await before.stop()
  await setTimeout(300)

  events.cursor('nats').commit(9, { force: true })
  events.appendMany(texts(100, 200))
  const again = shipping(t, events, connection)
  await again.shipped(200)
  await again.stop()
  assert.deepEqual(await textsOf(connection), texts(0, 200))
})

test('shipping goes on after the server was killed and started again', needsServer, async (t) => {
  const { connection, events, server } = await setUp(t)
  events.appendMany(texts(0, 1000))
  const { shipped, stop } = shipping(t, events, connection)
  await shipped(1000)
  await server.kill()
  events.appendMany(texts(1000, 2000))
  await setTimeout(500)
  assert.equal(events.cursor('nats').position, 1000)
  server.start()
  await shipped(2000)
  await stop()
  assert.deepEqual(await textsOf(connection), texts(0, 2000))
})

test('a record that a full stream refuses comes before the smaller ones behind it', needsServer, async (t) => {
  const { connection, events, manager } = await setUp(t, { discard: 'new', max_bytes: 6000 })
  const retries = []
  const large = 'x'.repeat(3000)
  events.appendMany(['first '.repeat(600), large, ...texts(0, 5)])
  const { shipped, stop } = shipping(t, events, connection, { onRetry: (error) => retries.push(error) })
  await until(() => retries.some(({ message }) => /maximum bytes/.test(message)))
  assert.equal((await textsOf(connection)).length, 1)
  await manager.streams.purge('events')
  await shipped(7)
  await stop()
  assert.deepEqual(await textsOf(connection), [large, ...texts(0, 5)])
})

test('others may publish to other subjects of the stream', needsServer, async (t) => {
  const { connection, events } = await setUp(t, { subjects: ['events.>'] })
  events.appendMany(texts(0, 500))
  const client = jetstream(connection)
  const { shipped, stop } = shipping(t, events, connection, { maxInFlight: 50 })
  for (let count = 0; count < 20; count += 1) {
    await client.publish('events.b', 'other')
    events.append(`record ${500 + count}`)
  }
  await shipped(520)
  await stop()
  assert.deepEqual(await textsOf(connection, 'events.a'), texts(0, 520))
  assert.equal((await textsOf(connection, 'events.b')).length, 20)
})

test("where another one's message is the subject's last, the duplicate window keeps records from being twice", needsServer, async (t) => {
  const { connection, events } = await setUp(t)
  events.appendMany(texts(0, 100))
  const before = shipping(t, events, connection)
  await before.shipped(100)
  await before.stop()

  await jetstream(connection).publish('events.a', 'other')
  events.cursor('nats').commit(9, { force: true })
  events.append('record 100')
  const again = shipping(t, events, connection)
  await again.shipped(101)
  await again.stop()
  assert.deepEqual(await textsOf(connection), [...texts(0, 100), 'other', 'record 100'])
})

test("another one's messages among those of a journal change neither order nor number", needsServer, async (t) => {
  const { connection, events } = await setUp(t)
  events.appendMany(texts(0, 20_000))
  const { shipped, stop } = shipping(t, events, connection, { maxInFlight: 50 })
  const client = jetstream(connection)
  for (let count = 0; count < 10; count += 1) await Promise.all([client.publish('events.a', 'other'), setTimeout(20)])
  await shipped(20_000)
  await stop()
  assert.deepEqual((await textsOf(connection)).filter((text) => text !== 'other'), texts(0, 20_000))
})

test('what the stream lost after it had acknowledged it is sent again', needsServer, async (t) => {
  const { connection, events, folder, server } = await setUp(t)
  events.appendMany(texts(0, 100))
  const { shipped, stop } = shipping(t, events, connection)
  await shipped(100)
  await server.kill()
  const copy = join(folder, 'copy')
  cpSync(server.store, copy, { recursive: true })
  server.start()
  events.appendMany(texts(100, 3000))
  await shipped(3000)
  await server.kill()
  rmSync(server.store, { recursive: true })
  renameSync(copy, server.store)
  events.append('record 3000')
  server.start()
  await shipped(3001)
  await stop()
  assert.deepEqual(await textsOf(connection), texts(0, 3001))
})

test('a journal that was restored from an older copy ships nothing', needsServer, async (t) => {
  const { connection, events, folder } = await setUp(t)
  events.append('one')
  events.close()
  cpSync(join(folder, 'journal'), join(folder, 'copy'), { recursive: true })
  const again = journal.open(join(folder, 'journal'))
  t.after(() => again.close())
  again.append('two')
  const { shipped, stop } = shipping(t, again, connection)
  await shipped(2)
  await stop()

  const copy = journal.open(join(folder, 'copy'))
  t.after(() => copy.close())
  await assert.rejects(shipping(t, copy, connection).ended, { code: 'ERR_PMEM_CONFLICT', next: 1 })
  assert.deepEqual(await textsOf(connection), ['one', 'two'])
})

test('what does not pass ends shipping before the record', needsServer, async (t) => {
  const { connection, events } = await setUp(t, { max_msg_size: 1000 })
  events.appendMany(['small', 'x'.repeat(2000)])
  await assert.rejects(shipping(t, events, connection).ended, /message size exceeds maximum/)
  // The first record is in the stream, which is where the next start goes on.
  assert.deepEqual(await textsOf(connection), ['small'])
  assert.equal(events.cursor('nats').position, 0)
  await assert.rejects(shipping(t, events, connection, { stream: 'missing' }).ended, /stream not found/)
  await assert.rejects(shipping(t, events, connection, { subject: 'other' }).ended, /none of the subjects of the stream events/)
})

test('one ships by a cursor at a time, until the journal is closed', needsServer, async (t) => {
  const { connection, events } = await setUp(t)
  events.append('one')
  const { ended, shipped } = shipping(t, events, connection)
  await shipped(1)
  await assert.rejects(shipping(t, events, connection).ended, { code: 'EAGAIN' })
  events.close()
  await ended
})

test('a connection that is closed ends shipping', needsServer, async (t) => {
  const { connection, events, server } = await setUp(t)
  events.append('one')
  const own = await connectTo(t, server)
  const { ended, shipped } = shipping(t, events, own)
  await shipped(1)
  await own.close()
  events.append('two')
  await assert.rejects(ended, { name: 'ClosedConnectionError' })
  assert.deepEqual(await textsOf(connection), ['one'])
})

test('retention waits for what was not shipped', needsServer, async (t) => {
  const { connection, events, server } = await setUp(t, {}, { maxBytes: 1 << 20, segmentSize: 256 << 10 })
  const large = 'x'.repeat(10_000)
  events.append(large)
  const { shipped, stop } = shipping(t, events, connection)
  await shipped(1)
  await server.kill()
  const fill = async () => {
    for (let more = 0; more < 1000; more += 1) await events.appendAsync(large)
  }
  await assert.rejects(fill(), { code: 'ENOSPC', message: /nats/ })
  const count = events.next
  assert.equal(events.first, 0)
  server.start()
  await shipped(count)
  for (let more = 0; more < 100; more += 1) events.append(large)
  await shipped(count + 100)
  assert.ok(events.first > 0)
  await stop()
  assert.equal((await messagesOf(connection)).length, count + 100)
})
