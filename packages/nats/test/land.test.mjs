import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { AckPolicy, jetstream } from '@nats-io/jetstream'
import { headers } from '@nats-io/transport-node'
import { journal } from 'pmem'
import { land, landed } from 'pmem-nats'
import { connectTo, newFolder, needsServer, startServer } from './helpers/server.mjs'
import { addStream, goingOn, until } from './helpers/streams.mjs'

/** A server with a stream, a durable consumer of it, and a journal to land in. */
async function setUp(t, config) {
  const folder = newFolder()
  const server = await startServer(t, folder)
  const connection = await connectTo(t, server)
  const manager = await addStream(connection, { subjects: ['events.>'] })
  await manager.consumers.add('events', { durable_name: 'copy', ack_policy: AckPolicy.Explicit, ...config })
  const consumer = await jetstream(connection).consumers.get('events', 'copy')
  const copy = journal.open(join(folder, 'copy'))
  t.after(() => copy.close())
  const publish = async (from, to, subject = 'events.a') => {
    const client = jetstream(connection)
    for (let number = from; number < to; number += 1) await client.publish(subject, `message ${number}`)
  }
  return { folder, server, connection, manager, consumer, copy, publish }
}

function landing(t, consumer, copy, connection, options) {
  const { ended, stop } = goingOn(t, (signal) => land(consumer, copy, { connection, signal, ...options }))
  return { ended, stop, landedAll: (count) => Promise.race([ended, until(() => copy.next === count)]) }
}

const textsIn = (copy) => Array.from(copy, (record) => landed(record).data.toString())
const texts = (from, to) => Array.from({ length: to - from }, (_, index) => `message ${from + index}`)

/** How many messages the consumer has given and not been told of. */
const pending = async (consumer) => (await consumer.info()).num_ack_pending

test('a record is a line of JSON and the bytes of its message', (t) => {
  const copy = journal.open(join(newFolder(), 'copy'))
  t.after(() => copy.close())
  const heading = { stream: 'events', sequence: 7, subject: 'events.a', time: '2026-01-01T00:00:00.000000001Z', headers: { Color: ['red'] } }
  copy.append(`${JSON.stringify(heading)}\n{"a":\n1}`)
  assert.deepEqual(landed(copy.get(0)), { ...heading, data: Buffer.from('{"a":\n1}') })
  for (const other of ['', 'text', 'text\n', 'null\n', '{}\n']) {
    assert.throws(() => landed(copy.get(copy.append(other))), { code: 'ERR_INVALID_ARG_VALUE' })
  }
})

test('messages land in order, with where they came from, and are acknowledged', needsServer, async (t) => {
  const { connection, consumer, copy, publish } = await setUp(t)
  await publish(0, 200)
  const { landedAll, stop } = landing(t, consumer, copy, connection)
  await landedAll(200)
  const sent = headers()
  sent.append('Color', 'red')
  sent.append('Color', 'blue')
  await jetstream(connection).publish('events.b', Buffer.from([0, 10, 255]), { headers: sent })
  await landedAll(201)
  await until(async () => (await pending(consumer)) === 0)
  await stop()

  assert.deepEqual(textsIn(copy).slice(0, 200), texts(0, 200))
  const { time, ...last } = landed(copy.get(200))
  assert.deepEqual(last, { stream: 'events', sequence: 201, subject: 'events.b', headers: { Color: ['red', 'blue'] }, data: Buffer.from([0, 10, 255]) })
  assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000)
})

test('what was given to another process, acknowledged or not, lands before what follows it', needsServer, async (t) => {
  const { connection, consumer, copy, publish } = await setUp(t)
  await publish(0, 20)
  // Of these a server gives none again before 30 seconds have passed, and what comes behind them at once.
  const taken = await consumer.fetch({ max_messages: 10 })
  for await (const message of taken) if (message.seq === 4) message.ack()
  await connection.flush()
  const { landedAll, stop } = landing(t, consumer, copy, connection)
  await landedAll(20)
  await stop()
  assert.deepEqual(textsIn(copy), texts(0, 20))
})

test('what landed and was not acknowledged is not there twice', needsServer, async (t) => {
  const { connection, consumer, copy, manager, publish } = await setUp(t)
  await publish(0, 50)
  const before = landing(t, consumer, copy, connection)
  await before.landedAll(50)
  await before.stop()
  await manager.consumers.reset('events', 'copy', 11)
  await publish(50, 60)
  const again = landing(t, consumer, copy, connection)
  await again.landedAll(60)
  await until(async () => (await pending(consumer)) === 0)
  await again.stop()
  assert.deepEqual(textsIn(copy), texts(0, 60))
})

test('landing goes on after the server was killed and started again', needsServer, async (t) => {
  const { connection, consumer, copy, publish, server } = await setUp(t)
  await publish(0, 50)
  const retries = []
  const { landedAll, stop } = landing(t, consumer, copy, connection, { onRetry: (error) => retries.push(error) })
  await landedAll(50)
  await server.kill()
  await until(() => retries.length > 0)
  server.start()
  await until(() => publish(50, 51).then(() => true))
  await publish(51, 100)
  await landedAll(100)
  await stop()
  assert.deepEqual(textsIn(copy), texts(0, 100))
})

test('only what a consumer selects lands', needsServer, async (t) => {
  const { connection, consumer, copy, publish } = await setUp(t, { filter_subject: 'events.b' })
  await publish(0, 10)
  await publish(10, 20, 'events.b')
  const { landedAll, stop } = landing(t, consumer, copy, connection)
  await landedAll(10)
  await stop()
  assert.deepEqual(textsIn(copy), texts(10, 20))
})

test('what does not pass ends landing, and what did not become durable is not acknowledged', needsServer, async (t) => {
  const { connection, consumer, copy, folder, manager, publish } = await setUp(t)
  await publish(0, 10)
  const full = journal.open(join(folder, 'full'), { maxBytes: 1 << 20, segmentSize: 256 << 10 })
  t.after(() => full.close())
  full.cursor('reader').commit(-1)
  await jetstream(connection).publish('events.a', 'x'.repeat(900_000))
  await jetstream(connection).publish('events.a', 'y'.repeat(900_000))
  await assert.rejects(landing(t, consumer, full, connection).ended, { code: 'ENOSPC' })
  assert.deepEqual(textsIn(full).slice(0, 10), texts(0, 10))
  await until(async () => (await pending(consumer)) === 12 - full.next)

  copy.append('another record')
  await assert.rejects(landing(t, consumer, copy, connection).ended, { code: 'ERR_INVALID_ARG_VALUE' })
  await manager.consumers.delete('events', 'copy')
  await assert.rejects(landing(t, consumer, full, connection).ended, /consumer not found/)
})

test('nobody else appends to the journal, and closing it ends landing', needsServer, async (t) => {
  const { connection, consumer, copy, publish } = await setUp(t)
  await publish(0, 5)
  const first = landing(t, consumer, copy, connection)
  await first.landedAll(5)
  copy.append('another record')
  await publish(5, 6)
  await assert.rejects(first.ended, { code: 'ERR_PMEM_CONFLICT' })

  const other = journal.open(`${copy.path}2`)
  const second = landing(t, consumer, other, connection)
  await second.landedAll(1)
  other.close()
  await second.ended
})
