import { join } from 'node:path'
import { pmemlog } from 'pmem'
import { SIZE, record, records } from '../data.mjs'

const POOL = 512 << 20

export function open(folder) {
  const store = pmemlog.open(join(folder, 'log'), { create: true, size: POOL, sparse: true })
  return {
    append: (number) => store.append(record(number)),
    appendAsync: (number) => store.appendAsync(record(number)),
    appendMany: (from, count) => store.appendMany(records(from, count)),
    read: (number) => store.read(number * SIZE, SIZE),
    scan(each) {
      for (const chunk of store.chunks(SIZE)) each(chunk)
    },
    close: () => store.close(),
  }
}
