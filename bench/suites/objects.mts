// Stores of objects: on what counts as persistent memory beside plain Maps and classic-level, on a disk beside plain writes
// (bench/c/sync.c) and other stores. 50,000 entries of 64 characters.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { objects } from 'pmem'
import { type Goal, atMost, belowTimesTheirs, faster, timesFaster, timesTheirs } from '../goals.mjs'
import { type Level, loadLmdb, loadSqlite, openLevel } from '../peers.mjs'
import type { Round, Row, Sides } from '../row.mjs'
import { calls, concurrently, inC, inJs } from '../sampling.mjs'
import { quantile } from '../statistics.mjs'
import { insert } from './concurrency.mjs'

const ENTRIES = 50_000
const VALUE = 'x'.repeat(64)
const CALLERS = 64
/** Milliseconds a round. */
const TIME = 300
/** Transactions a round, on a disk. */
const STORES = 300
const GiB = 1 << 30
const MANY = 10_000_000

interface Root {
  map: objects.StoredMap<string, string>
  sorted: objects.SortedMap<string, string>
  array: string[]
  object: { visits: number }
}

/** In no order, and each once. */
const KEYS = Array.from({ length: ENTRIES }, (_, index) => `key ${String((index * 7919) % ENTRIES).padStart(8, '0')}`)

function opened(folder: string, options: objects.OpenOptions = {}): objects.Store<Root> {
  const root = (made: objects.Store<null>) => ({ map: made.map(), sorted: made.sortedMap(), array: made.array(), object: { visits: 0 } })
  return objects.open(join(folder, 'store'), { root, ...options }) as unknown as objects.Store<Root>
}

function filled(folder: string, options?: objects.OpenOptions): objects.Store<Root> {
  const store = opened(folder, options)
  const entries = KEYS.map((key) => [key, VALUE] as const)
  store.root.map.setMany(entries)
  store.root.sorted.setMany(entries)
  store.transaction(() => void store.root.array.push(...KEYS.map(() => VALUE)))
  return store
}

/** Calls with one key after the other. */
function each(work: (key: string, index: number) => unknown): Round {
  let next = 0
  return inJs(() => {
    next = (next + 1) % ENTRIES
    return work(KEYS[next]!, next)
  })
}

function get(folder: string): Round {
  const { map } = filled(folder).root
  return each((key) => map.get(key))
}

function getPlain(): Round {
  const map = new Map(KEYS.map((key) => [key, VALUE]))
  return each((key) => map.get(key))
}

function sortedGet(folder: string): Round {
  const { sorted } = filled(folder).root
  return each((key) => sorted.get(key))
}

function arrayGet(folder: string): Round {
  const { array } = filled(folder).root
  return each((_, index) => array[(index * 7919) % ENTRIES])
}

function field(folder: string): Round {
  const { object } = filled(folder).root
  return inJs(() => object.visits)
}

/** New keys, of which old ones are removed outside the time. */
function insertOwn(container: (root: Root) => Map<string, string>): (folder: string) => Round {
  return (folder) => {
    const map = container(filled(folder).root)
    let next = 0
    return inJs(() => map.set(`new ${(next += 1)}`, VALUE))
  }
}

function overwrite(folder: string): Round {
  const { map } = filled(folder).root
  return each((key) => map.set(key, VALUE))
}

function insertThousand(folder: string): Round {
  const store = filled(folder)
  const { map } = store.root
  let next = 0
  const thousand = (): void => {
    for (let count = 0; count < 1000; count += 1) map.set(`new ${(next += 1)}`, VALUE)
  }
  return inJs(() => store.transaction(thousand), { batch: 4, per: 1000 })
}

function scan(container: (root: Root) => Map<string, string>): (folder: string) => Round {
  return (folder) => {
    const map = container(filled(folder).root)
    let length = 0
    return inJs(() => {
      for (const [key, value] of map) length += key.length + value.length
      return length
    }, { batch: 4, per: ENTRIES })
  }
}

function ownOnDisk(folder: string): Round {
  const { map } = filled(folder).root
  let next = 0
  return calls(STORES, () => void map.set(KEYS[(next += 1) % ENTRIES]!, VALUE))
}

function updateSqlite(folder: string): Round {
  const store = new (loadSqlite())(join(folder, 'sqlite'))
  store.pragma('journal_mode = WAL')
  store.pragma('synchronous = FULL')
  store.exec('CREATE TABLE entries (key TEXT PRIMARY KEY, value TEXT)')
  const statement = store.prepare('INSERT OR REPLACE INTO entries (key, value) VALUES (?, ?)')
  store.exec('BEGIN')
  for (const key of KEYS) statement.run(key, VALUE)
  store.exec('COMMIT')
  let next = 0
  return calls(STORES, () => void statement.run(KEYS[(next += 1) % ENTRIES], VALUE))
}

function putSync(folder: string): Round {
  const options = { encoding: 'binary', keyEncoding: 'uint32', mapSize: 1 << 28, overlappingSync: false } as const
  const store = loadLmdb().open({ path: join(folder, 'lmdb'), ...options })
  const value = Buffer.from(VALUE)
  let key = 0
  return calls(STORES, () => void store.putSync((key += 1) % ENTRIES, value))
}

async function filledLevel(folder: string): Promise<Level> {
  const level = await openLevel(join(folder, 'level'))
  await level.batch(KEYS.map((key) => ({ type: 'put', key, value: VALUE })))
  return level
}

async function getLevel(folder: string): Promise<Round> {
  const level = await filledLevel(folder)
  return each((key) => level.getSync(key))
}

async function scanLevel(folder: string): Promise<Round> {
  const level = await filledLevel(folder)
  return async () => {
    const start = performance.now()
    const iterator = level.iterator()
    let [length, count] = [0, 0]
    for (let entries = await iterator.nextv(1000); entries.length > 0; entries = await iterator.nextv(1000)) {
      for (const [key, value] of entries) length += key.length + value.length
      count += entries.length
    }
    await iterator.close()
    if (length === 0) throw new Error('nothing was there')
    return ((performance.now() - start) * 1e6) / count
  }
}

async function putLevel(folder: string): Promise<Round> {
  const level = await filledLevel(folder)
  let next = 0
  return () => concurrently(1, TIME, () => level.put(KEYS[(next += 1) % ENTRIES]!, VALUE, { sync: true }))
}

/** Numbers in no order, of as many as there are. */
function numbers(work: (key: number) => unknown): Round {
  let next = 0
  return inJs(() => {
    next = (next + 7_654_321) % MANY
    return work(next)
  })
}

function getOfMany(folder: string): Round {
  const store = objects.open(join(folder, 'store'), { root: (made) => made.sortedMap<number, Uint8Array>(), durability: 'group' })
  const map = store.root as objects.SortedMap<number, Uint8Array>
  const value = new Uint8Array(64).fill(1)
  for (let key = 0; key < MANY; key += 10_000) map.setMany(Array.from({ length: 10_000 }, (_, index) => [key + index, value] as const))
  return numbers((key) => map.get(key))
}

function getOfManyLmdb(folder: string): Round {
  const options = { encoding: 'binary', keyEncoding: 'uint32', mapSize: 4 * GiB, noSync: true } as const
  const store = loadLmdb().open({ path: join(folder, 'lmdb'), ...options })
  const value = Buffer.alloc(64, 1)
  for (let key = 0; key < MANY; key += 10_000) {
    store.transactionSync(() => {
      for (let index = 0; index < 10_000; index += 1) store.putSync(key + index, value)
    })
  }
  return numbers((key) => store.get(key))
}

/** The 99th percentile of a get, one a turn, while another thread commits 100 MB, and while it does not. */
async function p99(folder: string): Promise<Sides> {
  const store = filled(folder)
  const { map } = store.root
  const writer = new Worker(new URL('../programs/store-writer-thread.mjs', import.meta.url), { workerData: store.path })
  await once(writer, 'message')
  const measured = async (goesOn: () => boolean): Promise<number> => {
    const samples: number[] = []
    while (goesOn() || samples.length < ENTRIES) {
      const key = KEYS[samples.length % ENTRIES]!
      const start = process.hrtime.bigint()
      map.get(key)
      samples.push(Number(process.hrtime.bigint() - start))
      // The next one is of another turn, and so of a later commit.
      await turn()
    }
    return quantile(samples, 0.99)
  }
  const ours = async (): Promise<number> => {
    let isWriting = true
    const written = once(writer, 'message').then(() => (isWriting = false))
    writer.postMessage('write')
    const figure = await measured(() => isWriting)
    await written
    return figure
  }
  return { ours, theirs: () => measured(() => false) }
}

function concurrentGroup(folder: string): Round {
  const store = filled(folder, { durability: 'group' })
  const { map } = store.root
  let next = 0
  return () => concurrently(CALLERS, TIME, () => store.transactionAsync(() => void map.set(KEYS[(next += 1) % ENTRIES]!, VALUE)))
}

/** Opening a store of 1 GiB that another process has left, the first get and the first set. */
async function reopen(folder: string, end: 'close' | 'kill'): Promise<Round> {
  const path = join(folder, 'store')
  const program = fileURLToPath(new URL('../programs/store-writer.mjs', import.meta.url))
  const leave = async (): Promise<void> => {
    const child = fork(program, [path, String(GiB), end])
    await once(child, 'close')
  }
  await leave()
  return async () => {
    await leave()
    const start = performance.now()
    const store = objects.open<Map<number, string>>(path, { durability: 'group' })
    store.root!.get(12_345)
    store.root!.set(-2, 'first')
    const taken = performance.now() - start
    store.close()
    return taken * 1e6
  }
}

const memory = (name: string, goal: Goal, open: (folder: string) => Round): Row => ({
  name: `objects: ${name}`,
  place: 'memory',
  goal,
  open: (folder) => ({ ours: open(folder) }),
})

const disk = (name: string, details: Omit<Row, 'name' | 'place'>): Row => ({ name: `objects: ${name}`, place: 'disk', ...details })

export const rows: readonly Row[] = [
  memory('Map get', atMost(1200), get),
  memory('sortedMap get', atMost(800), sortedGet),
  memory('array get', atMost(800), arrayGet),
  memory('field of an object', atMost(60), field),
  memory('Map insert in its own transaction', atMost(4000), insertOwn(({ map }) => map)),
  memory('Map overwrite in its own transaction', atMost(4000), overwrite),
  memory('sortedMap insert in its own transaction', atMost(2500), insertOwn(({ sorted }) => sorted)),
  memory('Map insert in a transaction of 1,000', atMost(2500), insertThousand),
  memory('Map scan, an entry', atMost(400), scan(({ map }) => map)),
  memory('sortedMap scan, an entry', atMost(150), scan(({ sorted }) => sorted)),
  {
    name: 'objects: Map get, beside a plain Map',
    place: 'memory',
    against: 'Map',
    open: (folder) => ({ ours: get(folder), theirs: getPlain() }),
  },
  {
    name: 'objects: Map get, beside classic-level’s getSync',
    place: 'memory',
    against: 'classic-level',
    peer: 'classic-level',
    open: async (folder) => ({ ours: get(folder), theirs: await getLevel(folder) }),
  },
  {
    name: 'objects: sortedMap scan, beside classic-level’s nextv',
    place: 'memory',
    against: 'classic-level',
    peer: 'classic-level',
    open: async (folder) => ({ ours: scan(({ sorted }) => sorted)(folder), theirs: await scanLevel(folder) }),
  },
  {
    name: 'objects: get of 10 million entries',
    place: 'memory',
    against: 'lmdb',
    peer: 'lmdb',
    goal: timesTheirs(1),
    rounds: 3,
    open: (folder) => ({ ours: getOfMany(folder), theirs: getOfManyLmdb(folder) }),
  },
  {
    name: 'objects: get while a thread commits 100 MB, p99',
    place: 'memory',
    against: 'idle',
    goal: belowTimesTheirs(2),
    open: p99,
  },
  disk('own transaction', {
    against: 'pwrite+sync',
    goal: timesTheirs(1.15),
    open: (folder) => ({ ours: ownOnDisk(folder), theirs: inC(folder, 'sync', 'pwrite 96 B + fdatasync', { batch: 4 }) }),
  }),
  disk('own transaction, beside one-row transactions', {
    against: 'better-sqlite3',
    peer: 'better-sqlite3',
    goal: faster,
    open: (folder) => ({ ours: ownOnDisk(folder), theirs: updateSqlite(folder) }),
  }),
  disk('own transaction, beside putSync', {
    against: 'lmdb',
    peer: 'lmdb',
    goal: faster,
    open: (folder) => ({ ours: ownOnDisk(folder), theirs: putSync(folder) }),
  }),
  disk('own transaction, beside put with sync', {
    against: 'classic-level',
    peer: 'classic-level',
    goal: faster,
    open: async (folder) => ({ ours: ownOnDisk(folder), theirs: await putLevel(folder) }),
  }),
  disk('transactionAsync by 64 callers, group, beside insert', {
    against: 'better-sqlite3',
    peer: 'better-sqlite3',
    goal: timesFaster(20),
    open: (folder) => ({ ours: concurrentGroup(folder), theirs: insert(folder) }),
  }),
  disk('open 1 GiB after a close, first get and set', {
    goal: atMost(20e6),
    rounds: 3,
    open: async (folder) => ({ ours: await reopen(folder, 'close') }),
  }),
  disk('open 1 GiB after a kill, first get and set', {
    goal: atMost(200e6),
    rounds: 3,
    open: async (folder) => ({ ours: await reopen(folder, 'kill') }),
  }),
]
