// What is left after kills, at any time, of servers and of the process that ships. `npm run test:kills` is the long form.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { journal } from 'pmem'
import { connectTo, newFolder, needsServer, startCluster, startServer } from './helpers/server.mjs'
import { addStream, messagesOf, until, untilDone } from './helpers/streams.mjs'

const RECORDS = Number(process.env.PMEM_NATS_RECORDS ?? 10_000)
const KILLS = Number(process.env.PMEM_NATS_KILLS ?? 3)

/** A process that ships until it is killed. */
class Shipper {
  #child
  #arguments

  constructor(path, servers) {
    this.#arguments = [path, ...servers.map(({ port }) => `127.0.0.1:${port}`)]
  }

  start() {
    this.#child = fork(fileURLToPath(new URL('helpers/shipper.mjs', import.meta.url)), this.#arguments)
  }

  async kill() {
    if (!this.#child || this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}

/** Appends all records in the course of the kills, each of one of the victims, and waits until all are shipped. */
async function appendAndKill(t, events, victims) {
  const batch = Math.ceil(RECORDS / (KILLS * 20))
  const killing = (async () => {
    for (let kills = 0; kills < KILLS; kills += 1) {
      await until(() => events.cursor('nats').position >= (RECORDS * (kills + 1)) / (KILLS + 2))
      const victim = victims[kills % victims.length]
      await setTimeout(Math.random() * 50)
      await victim.kill()
      await setTimeout(Math.random() * 200)
      victim.start()
    }
  })()
  while (events.next < RECORDS) {
    events.appendMany(Array.from({ length: Math.min(batch, RECORDS - events.next) }, (_, index) => `record ${events.next + index}`))
    await setTimeout(5)
  }
  await killing
  await until(() => events.cursor('nats').position === RECORDS)
  t.diagnostic(`${RECORDS} records, ${KILLS} kills`)
}

async function assertEachOnceInOrder(connection) {
  const messages = await untilDone(() => messagesOf(connection))
  assert.equal(messages.length, RECORDS)
  const wrong = messages.findIndex(({ text, id }, index) => text !== `record ${index}` || !id.endsWith(`:${index}`))
  assert.equal(wrong, -1)
}

async function setUp(t, servers, config) {
  const connection = await connectTo(t, ...servers)
  await addStream(connection, config)
  const path = join(servers[0].folder, 'journal')
  const events = journal.open(path)
  t.after(() => events.close())
  const shipper = new Shipper(path, servers)
  shipper.start()
  t.after(() => shipper.kill())
  return { connection, events, shipper }
}

// The window is short: what is found in the stream must do.
const config = { duplicate_window: 100e6 }

test('kills of the server and of the shipper: all records are there, in order, each once', needsServer, async (t) => {
  const server = await startServer(t, newFolder())
  const { connection, events, shipper } = await setUp(t, [server], config)
  await appendAndKill(t, events, [server, shipper])
  await assertEachOnceInOrder(connection)
})

test('kills in a cluster of three: all records are there, in order, each once', needsServer, async (t) => {
  const servers = await startCluster(t, newFolder())
  const { connection, events, shipper } = await setUp(t, servers, { ...config, num_replicas: 3 })
  await appendAndKill(t, events, [servers[0], shipper, servers[1], servers[2]])
  await assertEachOnceInOrder(connection)
})
