/**
 * A store-and-forward queue between a web service and a slow receiver: nothing is lost and nothing is handled twice, whichever of
 * the two is killed, and whenever.
 *
 *     npm run build
 *     node build/examples/outbox.js receiver [folder] [port]
 *     node build/examples/outbox.js service [folder] [port] [the receiver's port]
 *     curl --data 'a message' http://127.0.0.1:8000
 *
 * The service answers a message once it is durable in its journal, whatever the receiver does. It forwards messages in order, by a
 * cursor that is committed behind those that the receiver has answered. Kill either of them (-9) and start it again.
 *
 * After a crash the service sends some messages again: those that were answered, but not committed yet. So each carries its
 * sequence, and the receiver keeps a journal whose records have the same ones: `expected` refuses what it has already.
 */

import { once } from 'node:events'
import { type IncomingMessage, type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { journal } from 'pmem'

/** How long the service waits before it asks a receiver again that does not answer, in milliseconds: from the first to the longest wait. */
const [FIRST, LONGEST] = [10, 1000]

/** Something that runs until it is closed. */
export interface Running {
  readonly port: number
  close(): Promise<void>
}

/** Takes messages, each durable before it is answered with its sequence, and forwards them. */
export async function service(folder: string, port: number, target: number): Promise<Running> {
  const outbox = journal.open(folder)
  const server = await listen(port, async (message) => {
    const sequence = await outbox.appendAsync(message)
    return { status: 202, answer: `${sequence}` }
  })
  const stopping = new AbortController()
  const { signal } = stopping
  const forwarding = outbox.consume('receiver', (record) => forward(record, target, signal), { signal })
  const ended = forwarding.catch((error: unknown) => {
    if (!signal.aborted) throw error
  })
  return {
    port: portOf(server),
    async close() {
      stopping.abort()
      await Promise.all([ended, stop(server)])
      outbox.close()
    },
  }
}

/** Sends a message until it is answered. */
async function forward(record: journal.JournalRecord, port: number, signal: AbortSignal): Promise<void> {
  const request = { method: 'POST', headers: { sequence: `${record.sequence}` }, body: record.text(), signal }
  for (let wait = FIRST; ; wait = Math.min(wait * 2, LONGEST)) {
    const response = await fetch(`http://127.0.0.1:${port}`, request).catch(() => undefined)
    await response?.arrayBuffer().catch(() => {})
    if (response?.ok) return
    await pause(wait, undefined, { signal })
  }
}

/** Handles messages, which takes a while each, and keeps what came of it. */
export async function receiver(folder: string, port: number, handle: (message: string) => Promise<string>): Promise<Running> {
  const inbox = journal.open(folder)
  const server = await listen(port, async (message, { headers }) => {
    const sequence = Number(headers['sequence'])
    // Sent again: it was handled, and its answer did not arrive.
    if (sequence < inbox.next) return { status: 200, answer: 'known' }
    const result = await handle(message)
    // Another request may have brought the same message meanwhile: one of the two is kept.
    inbox.append(result, { expected: sequence })
    return { status: 200, answer: 'handled' }
  })
  return {
    port: portOf(server),
    async close() {
      await stop(server)
      inbox.close()
    },
  }
}

interface Answer {
  status: number
  answer: string
}

/** A server whose requests have texts. What it cannot handle it answers with 500, and is sent again. */
async function listen(port: number, respond: (body: string, request: IncomingMessage) => Promise<Answer>): Promise<Server> {
  const server = createServer((request, response) => {
    void (async () => {
      try {
        const { status, answer } = await respond(await bodyOf(request), request)
        response.writeHead(status).end(answer)
      } catch (error) {
        response.writeHead(500).end(String(error))
      }
    })()
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return server
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

async function stop(server: Server): Promise<void> {
  server.close()
  server.closeAllConnections()
  await once(server, 'close')
}

async function main([role, folder, port, other]: readonly string[]): Promise<void> {
  const where = folder ?? join(tmpdir(), `pmem-outbox-${role}`)
  let running: Running
  if (role === 'service') {
    running = await service(where, Number(port ?? 8000), Number(other ?? 8001))
  } else if (role === 'receiver') {
    running = await receiver(where, Number(port ?? 8001), async (message) => {
      await pause(5)
      return message.toUpperCase()
    })
  } else {
    console.log('This is half of an example: start it as `receiver`, and as `service`.')
    return
  }
  console.log(`${role} on port ${running.port}`)
  process.once('SIGTERM', () => void running.close())
}

if (require.main === module) void main(process.argv.slice(2))
