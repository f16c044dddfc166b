import { join } from 'node:path'
import { journal } from 'pmem'
import { record, records } from '../data.mjs'

export function open(folder) {
  const store = journal.open(join(folder, 'journal'))
  return {
    append: (number) => store.append(record(number)),
    appendAsync: (number) => store.appendAsync(record(number)),
    appendMany: (from, count) => store.appendMany(records(from, count)),
    read: (number) => store.get(number).data,
    scan(each) {
      for (const { data } of store) each(data)
    },
    close: () => store.close(),
  }
}
