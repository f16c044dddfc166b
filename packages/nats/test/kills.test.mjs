// What is left after kills, at any time, of servers and of the process that ships. `npm run test:kills` is the long form.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { jetstream } from '@nats-io/jetstream'
import { journal } from 'pmem'
import { landed } from 'pmem-nats'
import { connectTo, newFolder, needsServer, startCluster, startServer } from './helpers/server.mjs'
import { addStream, messagesOf, until, untilDone } from './helpers/streams.mjs'

const RECORDS = Number(process.env.PMEM_NATS_RECORDS ?? 10_000)
const KILLS = Number(process.env.PMEM_NATS_KILLS ?? 3)

/** A process that ships or lands until it is killed. */
class Worker {
  #child
  #program
  #arguments

  constructor(program, path, servers) {
    this.#program = fileURLToPath(new URL(`helpers/${program}`, import.meta.url))
    this.#arguments = [path, ...servers.map(({ port }) => `127.0.0.1:${port}`)]
  }

  start() {
    this.#child = fork(this.#program, this.#arguments)
  }

  async kill() {
    if (!this.#child || this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}

/** Kills and starts the victims in turn, while what `position` gives goes up to the number of records. */
async function killInTurn(t, victims, position) {
  for (let kills = 0; kills < KILLS; kills += 1) {
    await until(() => position() >= (RECORDS * kills) / (KILLS + 1))
    const victim = victims[kills % victims.length]
    await setTimeout(Math.random() * 50)
    await victim.kill()
    await setTimeout(Math.random() * 200)
    victim.start()
  }
  await until(() => position() === RECORDS)
  t.diagnostic(`${RECORDS} records, ${KILLS} kills`)
}

/** Appends all records, in the course of some seconds. */
async function append(events) {
  const batch = Math.ceil(RECORDS / (KILLS * 20))
  while (events.next < RECORDS) {
    events.appendMany(Array.from({ length: Math.min(batch, RECORDS - events.next) }, (_, index) => `record ${events.next + index}`))
    await setTimeout(5)
  }
}

async function assertEachOnceInOrder(connection) {
  const messages = await untilDone(() => messagesOf(connection))
  assert.equal(messages.length, RECORDS)
  const wrong = messages.findIndex(({ text, id }, index) => text !== `record ${index}` || !id.endsWith(`:${index}`))
  assert.equal(wrong, -1)
}

/** Ships from a journal while the shipper and servers are killed. */
async function shipAndKill(t, servers, config, victims) {
  const connection = await connectTo(t, ...servers)
  // The window is short: what is found in the stream must do.
  await addStream(connection, { ...config, duplicate_window: 100e6 })
  const path = join(servers[0].folder, 'journal')
  const events = journal.open(path)
  t.after(() => events.close())
  const shipper = new Worker('shipper.mjs', path, servers)
  t.after(() => shipper.kill())
  shipper.start()
  await Promise.all([append(events), killInTurn(t, victims(shipper), () => events.cursor('nats').position)])
  await assertEachOnceInOrder(connection)
}

test('kills of the server and of the shipper: all records are there, in order, each once', needsServer, async (t) => {
  const server = await startServer(t, newFolder())
  await shipAndKill(t, [server], {}, (shipper) => [server, shipper])
})

test('kills in a cluster of three: all records are there, in order, each once', needsServer, async (t) => {
  const servers = await startCluster(t, newFolder())
  await shipAndKill(t, servers, { num_replicas: 3 }, (shipper) => [servers[0], shipper, servers[1], servers[2]])
})

test('kills of the server and of the process that lands: all messages are there, in order, each once', needsServer, async (t) => {
  const folder = newFolder()
  const server = await startServer(t, folder)
  const connection = await connectTo(t, server)
  const manager = await addStream(connection)
  await manager.consumers.add('events', { durable_name: 'copy', ack_policy: 'explicit' })
  const client = jetstream(connection)
  for (let sent = 0; sent < RECORDS; sent += 1000) {
    await Promise.all(Array.from({ length: 1000 }, (_, index) => client.publish('events.a', `record ${sent + index}`)))
  }
  const path = join(folder, 'copy')
  journal.open(path).close()
  const copy = journal.open(path, { readonly: true })
  t.after(() => copy.close())
  const lander = new Worker('lander.mjs', path, [server])
  t.after(() => lander.kill())
  lander.start()
  await killInTurn(t, [lander, server], () => copy.next)
  const texts = Array.from(copy, (record) => landed(record).data.toString())
  assert.equal(texts.findIndex((text, index) => text !== `record ${index}`), -1)
})
