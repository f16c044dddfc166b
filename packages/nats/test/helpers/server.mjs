import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect } from '@nats-io/transport-node'

export const version = '2.15.3'

const executable = process.platform === 'win32' ? 'nats-server.exe' : 'nats-server'

/** The server that `npm run server` builds. */
export const program = fileURLToPath(new URL(`../../../../.tools/nats-server/${executable}`, import.meta.url))

/** What a test that needs the server is given: why it is skipped, where the server is missing. */
export const needsServer = { skip: !existsSync(program) && `there is no nats-server ${version}: Go or its module could not be had` }

const folders = []
process.once('exit', () => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })))

/** A folder that is gone after the tests. */
export function newFolder() {
  const folder = mkdtempSync(join(process.env.PMEM_TEST_DIR ?? tmpdir(), 'pmem-nats-'))
  folders.push(folder)
  return folder
}

/** Ports that are free now, all of them different. */
export async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => server.address().port)
  await Promise.all(servers.map((server) => (server.close(), once(server, 'close'))))
  return ports
}

/** A NATS server with JetStream on loopback, which can be killed and started again. */
export class Server {
  #child

  constructor(folder, port, cluster = '') {
    this.folder = folder
    this.port = port
    this.store = join(folder, `store-${port}`)
    this.config = join(folder, `${port}.conf`)
    writeFileSync(this.config, `listen: "127.0.0.1:${port}"\njetstream { store_dir: "${this.store}" }\n${cluster}`)
  }

  start() {
    this.#child = spawn(program, ['--config', this.config], { stdio: 'ignore' })
  }

  async kill() {
    if (!this.#child || this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}

/** A server that runs until the test is over. */
export async function startServer(t, folder) {
  const [port] = await freePorts(1)
  const server = new Server(folder, port)
  server.start()
  t.after(() => server.kill())
  return server
}

/** Three servers, a cluster, that run until the test is over. */
export async function startCluster(t, folder) {
  const ports = await freePorts(6)
  const routes = ports.slice(3).map((port) => `"nats://127.0.0.1:${port}"`)
  const servers = ports.slice(0, 3).map((port, index) => {
    const cluster = `cluster { name: three, listen: "127.0.0.1:${ports[3 + index]}", routes: [${routes}] }`
    return new Server(folder, port, `server_name: "n${index}"\n${cluster}\n`)
  })
  for (const server of servers) server.start()
  t.after(() => Promise.all(servers.map((server) => server.kill())))
  return servers
}

/** A connection to servers, once they listen, which reconnects for ever and is closed after the test. */
export async function connectTo(t, ...servers) {
  const connection = await open(servers)
  t.after(() => connection.close())
  return connection
}

export function open(servers) {
  const addresses = servers.map(({ port }) => `127.0.0.1:${port}`)
  return connect({ servers: addresses, waitOnFirstConnect: true, maxReconnectAttempts: -1, reconnectTimeWait: 50, timeout: 2000 })
}
