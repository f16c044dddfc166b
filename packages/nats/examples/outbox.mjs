/**
 * An outbox that ends in JetStream: a web service answers a message once it is durable on its own disk, whatever the network does, and
 * the message comes to the stream in order and once, whichever of the service and the servers is killed, and whenever.
 *
 *     node examples/outbox.mjs service [folder] [port] [servers, with commas between them]
 *     node examples/outbox.mjs print [servers]
 *     curl --data 'a message' http://127.0.0.1:8000
 *
 * Kill either of service and server (-9) and start it again.
 */

import { once } from 'node:events'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { journal } from 'pmem'
import { ship } from 'pmem-nats'

const [STREAM, SUBJECT] = ['outbox', 'outbox.messages']

/** How much of the disk messages may take: while no server is there, so much waits; a service that has no room left answers 507. */
const MOST = 1 << 30

/** Takes messages, each durable before it is answered with its sequence, and ships them. */
export async function service(folder, port, servers) {
  const outbox = journal.open(folder, { maxBytes: MOST })
  const stopping = new AbortController()
  const shipping = shipTo(servers, outbox, stopping.signal)
  const server = createServer(async (request, response) => {
    try {
      const sequence = await outbox.appendAsync(await text(request))
      response.writeHead(202).end(`${sequence}`)
    } catch (error) {
      response.writeHead(error.code === 'ENOSPC' ? 507 : 500).end(String(error))
    }
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: server.address().port,
    async close() {
      server.close()
      server.closeAllConnections()
      stopping.abort()
      await shipping
      outbox.close()
    },
  }
}

/** Ships until the signal is aborted. No server need be there when it begins. */
async function shipTo(servers, outbox, signal) {
  const connecting = connect({ servers, waitOnFirstConnect: true, maxReconnectAttempts: -1 })
  signal.addEventListener('abort', () => void connecting.then((connection) => connection.close()))
  try {
    const connection = await connecting
    const manager = await jetstreamManager(connection)
    await manager.streams.add({ name: STREAM, subjects: [SUBJECT] })
    await ship(outbox, { connection, stream: STREAM, subject: SUBJECT, cursor: 'jetstream', signal })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** Calls `handle` with each message of the stream, which is what another program would do. */
async function print(servers, handle) {
  const connection = await connect({ servers })
  const consumer = await jetstream(connection).consumers.get(STREAM)
  for await (const message of await consumer.consume()) handle(message.string())
}

async function main([role, ...rest]) {
  if (role === 'service') {
    const [folder = join(tmpdir(), 'pmem-outbox-nats'), port = '8000', servers = '127.0.0.1:4222'] = rest
    const running = await service(folder, Number(port), servers.split(','))
    console.log(`service on port ${running.port}`)
    process.once('SIGTERM', () => void running.close())
  } else if (role === 'print') {
    await print((rest[0] ?? '127.0.0.1:4222').split(','), (message) => console.log(message))
  } else {
    console.log('This is half of an example: start it as `service`, and as `print`.')
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await main(process.argv.slice(2))
