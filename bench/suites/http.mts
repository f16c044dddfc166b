// A service that makes a record of each request durable before it answers, beside the same that only answers.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { pmemlog } from 'pmem'
import { shareOfTheirs } from '../goals.mjs'
import type { Round, Row, Sides } from '../row.mjs'

const CONNECTIONS = 50
/** A round ends with the first of them that is reached: requests, milliseconds. */
const REQUESTS = 30_000
const TIME = 1500
/** All that a client can send in a round. */
const POOL = 16 << 20

const client = fileURLToPath(new URL('../programs/http-client.mjs', import.meta.url))

async function body(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

async function open(folder: string): Promise<Sides> {
  const log = pmemlog.create(join(folder, 'log'), POOL)
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const record = await body(request)
    if (request.url === '/durable') await log.appendAsync(record)
    response.end('ok')
  }
  const server = createServer((request, response) => void answer(request, response))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const side = (path: string): Round => async () => {
    log.rewind()
    return requestsPerSecond(port, path)
  }
  return { ours: side('/durable'), theirs: side('/plain') }
}

async function requestsPerSecond(port: number, path: string): Promise<number> {
  const args = [client, ...[port, path, CONNECTIONS, REQUESTS, TIME].map(String)]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 10 * TIME })
  return Number(stdout)
}

export const rows: readonly Row[] = [
  {
    name: 'HTTP requests, each with a durable append',
    place: 'disk',
    unit: 'rate',
    against: 'no write',
    goal: shareOfTheirs(0.9),
    open,
  },
]
