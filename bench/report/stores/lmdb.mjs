import { join } from 'node:path'
import { open as openLmdb } from 'lmdb'
import { entry, key, record, records } from '../data.mjs'

/** Without overlapping syncs `putSync` is durable on return; with them `put` is once `flushed` is. */
export function open(folder) {
  const root = openLmdb({ path: join(folder, 'lmdb'), mapSize: 4 * 2 ** 30, maxDbs: 4, overlappingSync: false })
  const list = root.openDB('records', { encoding: 'binary', keyEncoding: 'uint32' })
  const map = root.openDB('entries', { encoding: 'msgpack' })
  return {
    append: (number) => void list.putSync(number, record(number)),
    async appendAsync(number) {
      await list.put(number, record(number))
      await list.flushed
    },
    appendMany: (from, count) => list.transactionSync(() => records(from, count).forEach((data, index) => list.putSync(from + index, data))),
    read: (number) => list.get(number),
    scan(each) {
      for (const { value } of list.getRange()) each(value)
    },
    overwrite: (number, version) => void list.putSync(number, record(number + version)),
    overwritten: (number) => list.get(number),
    set: (number, version) => void map.putSync(key(number), entry(number, version)),
    setMany: (numbers, version) => map.transactionSync(() => numbers.forEach((number) => map.putSync(key(number), entry(number, version)))),
    change: (number, version) => void map.putSync(key(number), { ...map.get(key(number)), visits: version }),
    get: (number) => map.get(key(number)),
    close: () => root.close(),
  }
}
