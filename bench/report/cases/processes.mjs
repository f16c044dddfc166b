// What takes more than one process or thread, and what starting takes.
import { execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import { quantile } from '../../../build/bench/statistics.mjs'
import { peers } from '../peers.mjs'

const program = (name) => fileURLToPath(new URL(`../programs/${name}`, import.meta.url))
const client = fileURLToPath(new URL('../../../build/bench/programs/http-client.mjs', import.meta.url))
const execute = promisify(execFile)

async function serve(store) {
  let count = 0
  const append = store.appendAsync ?? store.append
  const server = createServer(async (request, response) => {
    for await (const _ of request);
    await append(count++)
    response.end('ok')
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return { port: server.address().port, count: () => count }
}

/** How many milliseconds some work takes. */
async function milliseconds(work) {
  const start = performance.now()
  await work()
  return performance.now() - start
}

const MiB = 2 ** 20

export const cases = [
  {
    name: 'http',
    title: 'An HTTP service that writes before it answers',
    text: 'Each request makes a record of 64 bytes durable; 50 connections, on the same two cores as the client.',
    places: ['disk'],
    unit: 'rate',
    chart: 'disk',
    sides: ['pmem journal', 'pmemlog', 'pmem objects', 'fs', 'better-sqlite3', 'node:sqlite', 'lmdb', 'classic-level', 'level + JSON'],
    begin: serve,
    async round(_, { port }, { time }) {
      const { stdout } = await execute(process.execPath, [client, port, '/', 50, 1e6, time * 3].map(String))
      return Number(stdout)
    },
    async check(store, { count }) {
      if (!(await store.read(count() - 1))) throw new Error('the last record is missing')
    },
    reasons: { fs: 'what it writes has no lengths, no checksums and no end that could be found again' },
  },
  {
    name: 'follow',
    title: 'Following in another process',
    text: 'From when an append has returned until another process has the record; 0 is before it has returned. `fs.watch` tells of what is written and not on the disk yet: a power cut may take what was seen already. Followers of journals and logs see what is durable. SQLite and lmdb tell of nothing, and are asked each millisecond.',
    places: ['disk'],
    unit: 'time',
    figures: () => ['p50', 'p99'],
    sides: ['pmem journal', 'pmemlog', 'fs', 'node:sqlite', 'lmdb'],
    async begin(store, _, { folder, peer }) {
      await store.append(0)
      const follower = fork(program('follower.mjs'), [peer, folder])
      process.once('exit', () => follower.kill('SIGKILL'))
      await once(follower, 'message')
      return { count: 1, follower }
    },
    async round(store, state, { few }) {
      const times = []
      for (let index = 0; index < few; index += 1) {
        const seen = once(state.follower, 'message')
        await store.append(state.count++)
        const returned = process.hrtime.bigint()
        const [{ number, at }] = await seen
        if (number !== state.count - 1) throw new Error(`record ${number} was seen, not ${state.count - 1}`)
        times.push(Math.max(0, Number(BigInt(at) - returned)))
      }
      return [quantile(times, 0.5), quantile(times, 0.99)]
    },
    check(_, { follower }) {
      follower.kill()
    },
    reasons: {},
  },
  {
    name: 'open',
    apart: true,
    title: 'Opening and closing',
    text: 'What is there already, and was closed: a file of 2 MiB, of 1 GiB, and one of 64 GiB that is sparse. A second time in the same process, so that no library is loaded meanwhile. An empty cell: no store of that kind is so large and sparse. A store of objects reads and checks its log, and starts a thread.',
    places: ['disk'],
    unit: 'time',
    figures: () => ['2 MiB', '1 GiB', '64 GiB, sparse'],
    rounds: 3,
    sides: ['pmem region', 'pmemblk', 'pmemlog', 'pmem objects', 'pmem journal', 'better-sqlite3', 'lmdb', 'classic-level'],
    begin: () => ({}),
    async round(_, state, { large, time }, { folder, peer }) {
      const sizes = time < 100 ? [2 * MiB] : [2 * MiB, 2 ** 30, 64 * 2 ** 30]
      const env = { ...process.env, PMEM_BENCH_SIZE: '4096' }
      const found = []
      for (const size of sizes) {
        const path = join(folder, `${size}`)
        const args = [program('opening.mjs'), peer, path, size, large].map(String)
        if (!state[size]) await execute(process.execPath, [...args, 'make'], { env })
        state[size] = true
        const { stdout } = await execute(process.execPath, args, { env })
        found.push(stdout.trim() === '' ? undefined : Number(stdout))
      }
      return found
    },
    check() {},
    reasons: {},
  },
  {
    name: 'start',
    apart: true,
    title: 'Starting, and memory',
    text: 'Making a store of objects writes 17 MiB, most of it a log. A process that imports it, opens a store, appends one record or sets one key, closes, and ends; and what memory it has by then (resident, in MiB). The first row is of one that does nothing.',
    places: ['disk'],
    unit: 'milliseconds',
    figures: () => ['time, ms', 'memory, MiB'],
    sides: ['nothing', 'pmem journal', 'pmem objects', 'pmemlog', 'pmem region', 'fs', 'better-sqlite3', 'node:sqlite', 'lmdb', 'classic-level', 'level + JSON'],
    begin: () => ({}),
    async round(_, state, scale, { folder, peer }) {
      let memory
      const taken = await milliseconds(async () => {
        const { stdout } = await execute(process.execPath, [program('starting.mjs'), peers[peer]?.store ?? '', join(folder, `${(state.next = (state.next ?? 0) + 1)}`)])
        memory = Number(stdout)
      })
      return [taken, memory / MiB]
    },
    check() {},
    reasons: {},
  },
  {
    name: 'threads',
    apart: true,
    title: 'One thread, and two',
    text: 'Each appends durable records to the same store, one at a time. The machine has two cores.',
    places: ['disk', 'memory'],
    unit: 'rate',
    figures: () => ['1 thread', '2 threads'],
    sides: ['pmem journal', 'pmemlog', 'fs', 'better-sqlite3', 'node:sqlite', 'lmdb'],
    begin: () => ({}),
    async round(_, state, { time }, { folder, peer }) {
      const found = []
      for (const threads of [1, 2]) {
        const workers = Array.from({ length: threads }, (__, index) => {
          state.next = (state.next ?? 0) + 1
          const workerData = { store: peers[peer].store, folder, time, first: (state.next * 2 + index) * 1e6 }
          return new Worker(program('appending.mjs'), { workerData })
        })
        const counts = (await Promise.all(workers.map((worker) => once(worker, 'message')))).flat()
        await Promise.all(workers.map((worker) => worker.terminate()))
        found.push(counts.reduce((sum, rate) => sum + rate, 0))
      }
      return found
    },
    check() {},
    reasons: { fs: 'two threads write to the same file by themselves, in whatever order, and the disk may sync for both at once' },
  },
]
