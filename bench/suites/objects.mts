// Stores of objects: on what counts as persistent memory beside plain Maps and classic-level, on a disk beside plain writes
// (bench/c/sync.c) and other stores. 50,000 entries of 64 characters.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { objects } from 'pmem'
import { type Goal, atMost, faster, timesFaster, timesTheirs } from '../goals.mjs'
import { loadLmdb, loadSqlite } from '../peers.mjs'
import type { Round, Row } from '../row.mjs'
import { calls, concurrently, inC, inJs } from '../sampling.mjs'
import { insert } from './concurrency.mjs'

const ENTRIES = 50_000
const VALUE = 'x'.repeat(64)
const CALLERS = 64
/** Milliseconds a round. */
const TIME = 300
/** Transactions a round, on a disk. */
const STORES = 300
const GiB = 1 << 30

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
