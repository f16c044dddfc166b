import { join } from 'node:path'
import { objects } from 'pmem'
import { entry, key, record, records } from '../data.mjs'

const PIECE = 1000

export function open(folder) {
  const store = objects.open(join(folder, 'store'), { root: () => ({ list: [], map: new Map() }) })
  const { list, map } = store.root
  return {
    append: (number) => list.push(record(number)),
    appendAsync: (number) => store.transactionAsync(() => list.push(record(number))),
    // A call takes no more than some ten thousand arguments.
    appendMany: (from, count) =>
      store.transaction(() => {
        for (let at = 0; at < count; at += PIECE) list.push(...records(from + at, Math.min(PIECE, count - at)))
      }),
    read: (number) => list[number],
    scan(each) {
      for (const data of list) each(data)
    },
    set: (number, version) => void map.set(key(number), entry(number, version)),
    setMany: (numbers, version) => void map.setMany(numbers.map((number) => [key(number), entry(number, version)])),
    change: (number, version) => void (map.get(key(number)).visits = version),
    get: (number) => objects.toPlain(map.get(key(number))),
    close: () => store.close(),
  }
}
