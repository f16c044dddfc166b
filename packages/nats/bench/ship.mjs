// npm run bench: how fast a journal is shipped to a server on this machine, and how soon after the append a record is in the stream.
import { join } from 'node:path'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { journal } from 'pmem'
import { ship } from 'pmem-nats'
import { Server, freePorts, newFolder, open } from '../test/helpers/server.mjs'
import { untilDone } from '../test/helpers/streams.mjs'

const COUNT = 50_000

const folder = newFolder()
const [port] = await freePorts(1)
const server = new Server(folder, port)
server.start()
const connection = await open([server])
const manager = await untilDone(() => jetstreamManager(connection))

/** Ships a journal of its own to a stream of its own while `work` runs. */
async function measure(name, subjects, options, work) {
  await manager.streams.add({ name, subjects })
  const events = journal.open(join(folder, name))
  const abort = new AbortController()
  let tell = () => {}
  const onProgress = ({ sequence }) => tell(sequence)
  const start = () => ship(events, { connection, stream: name, subject: `${name}.events`, cursor: 'nats', signal: abort.signal, onProgress, ...options }).catch(() => {})
  const shipped = (sequence) =>
    new Promise((resolve) => {
      tell = (last) => last >= sequence && resolve()
    })
  await work({ events, start, shipped })
  abort.abort()
}

async function throughput(name, subjects, size, count, options) {
  await measure(name, subjects, options, async ({ events, start, shipped }) => {
    events.appendMany(Array.from({ length: count }, () => 'x'.repeat(size)))
    const begin = performance.now()
    const done = shipped(count - 1)
    start()
    await done
    const seconds = (performance.now() - begin) / 1000
    console.log(`${name}: ${count} records of ${size} bytes, ${Math.round(count / seconds)} a second`)
  })
}

/** The same by the client alone, from memory. */
async function alone(name, size, count) {
  await manager.streams.add({ name, subjects: [name] })
  const client = jetstream(connection)
  const begin = performance.now()
  for (let sent = 0; sent < count; sent += 1000) await Promise.all(Array.from({ length: 1000 }, () => client.publish(name, 'x'.repeat(size))))
  console.log(`${name}: ${count} messages of ${size} bytes by the client alone, ${Math.round(count / ((performance.now() - begin) / 1000))} a second`)
}

async function latency(name) {
  await measure(name, [`${name}.events`], {}, async ({ events, start, shipped }) => {
    start()
    const times = []
    for (let count = 0; count < 1000; count += 1) {
      const done = shipped(events.next)
      const begin = performance.now()
      events.append('x'.repeat(64))
      await done
      times.push(performance.now() - begin)
    }
    times.sort((a, b) => a - b)
    console.log(`${name}: from the append to the acknowledgement ${times[500].toFixed(2)} ms at the median, ${times[990].toFixed(2)} ms at the 99th percentile`)
  })
}

await alone('alone', 64, COUNT)
await throughput('own', ['own.events'], 64, COUNT)
await throughput('own-1k', ['own-1k.events'], 1024, COUNT)
await throughput('shared', ['shared.>'], 64, COUNT / 10)
await latency('one-by-one')
await connection.close()
await server.kill()
