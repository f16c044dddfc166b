// npm run bench:full -- FOLDER [MAXBYTES]: what a program sees when the disk of FOLDER, or `maxBytes`, is full while the server is away, and afterwards.
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { jetstreamManager } from '@nats-io/jetstream'
import { journal } from 'pmem'
import { ship } from 'pmem-nats'
import { Server, freePorts, newFolder, open } from '../test/helpers/server.mjs'
import { untilDone } from '../test/helpers/streams.mjs'

const [folder, maxBytes] = process.argv.slice(2)
const [port] = await freePorts(1)
const server = new Server(newFolder(), port)
server.start()
const connection = await open([server])
const manager = await untilDone(() => jetstreamManager(connection))
await manager.streams.add({ name: 'events', subjects: ['events'] })
const events = journal.open(join(folder, 'journal'), { segmentSize: 1 << 20, ...(maxBytes && { maxBytes: Number(maxBytes) }) })
const shipping = ship(events, { connection, stream: 'events', subject: 'events', cursor: 'nats' })

/** Appends records of 1000 bytes until that fails, and says how. */
async function fill() {
  const before = events.next
  try {
    for (;;) await events.appendAsync('x'.repeat(1000))
  } catch ({ code, message }) {
    console.log(`${events.next - before} records, then ${code}: ${message}`)
  }
}

events.append('x')
while (events.cursor('nats').position === 0) await setTimeout(10)
await server.kill()
await fill()
console.log('the server comes back')
server.start()
while (events.cursor('nats').position < events.next) await setTimeout(10)
const { state } = await manager.streams.info('events')
console.log(`the stream has ${state.messages} of ${events.next} records; the journal's first is ${events.first}`)
// A full disk is not what retention goes by.
if (maxBytes === undefined) events.truncateBefore(events.cursor('nats').position)
for (let more = 0; more < 3000; more += 1) await events.appendAsync('x'.repeat(1000))
console.log(`3000 more are appended; the journal's first is ${events.first}`)
events.close()
await shipping
await connection.close()
await server.kill()
