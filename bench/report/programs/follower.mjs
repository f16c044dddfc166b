// follower.mjs PEER FOLDER: sends when it saw which record, by the clock that all processes share. As quick as each store allows it.
import { openSync, readSync, watch } from 'node:fs'
import { join } from 'node:path'
import { SIZE } from '../data.mjs'

const [peer, folder] = process.argv.slice(2)
const see = (data) => process.send({ number: data.readDoubleLE(0), at: String(process.hrtime.bigint()) })

const followers = {
  async 'pmem journal'() {
    const { journal } = await import('pmem')
    const events = journal.open(join(folder, 'journal'), { readonly: true })
    const records = events.follow({ from: events.next })
    process.send('ready')
    for await (const { data } of records) see(data)
  },
  async pmemlog() {
    const { pmemlog } = await import('pmem')
    const log = pmemlog.open(join(folder, 'log'), { readonly: true })
    const chunks = log.follow({ from: log.tell(), chunk: SIZE })
    process.send('ready')
    for await (const chunk of chunks) see(chunk)
  },
  fs() {
    const path = join(folder, 'file')
    const file = openSync(path, 'r')
    const bytes = Buffer.alloc(SIZE)
    let at = SIZE
    const read = () => {
      while (readSync(file, bytes, 0, SIZE, at) === SIZE) {
        at += SIZE
        see(bytes)
      }
    }
    watch(path, read)
    process.send('ready')
  },
  async 'node:sqlite'() {
    const { DatabaseSync } = await import('node:sqlite')
    const database = new DatabaseSync(join(folder, 'node-sqlite'), { readOnly: true })
    const later = database.prepare('SELECT id, data FROM records WHERE id > ?')
    let last = 1
    poll(() => {
      for (const { id, data } of later.all(last)) {
        last = id
        see(Buffer.from(data))
      }
    })
  },
  async lmdb() {
    const { open } = await import('lmdb')
    const root = open({ path: join(folder, 'lmdb'), mapSize: 4 * 2 ** 30, maxDbs: 4, overlappingSync: false, readOnly: true })
    const list = root.openDB('records', { encoding: 'binary', keyEncoding: 'uint32' })
    let next = 1
    poll(() => {
      root.resetReadTxn()
      for (let data = list.get(next); data; data = list.get(next)) {
        next += 1
        see(data)
      }
    })
  },
}

/** Where nothing tells of changes: each millisecond, as is usual. */
function poll(look) {
  setInterval(look, 1)
  process.send('ready')
}

process.once('disconnect', () => process.exit())
await followers[peer]()
