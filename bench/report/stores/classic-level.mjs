import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { record, records } from '../data.mjs'

const padded = (number) => String(number).padStart(12, '0')

export async function open(folder) {
  const level = new ClassicLevel(join(folder, 'level'), { keyEncoding: 'utf8', valueEncoding: 'buffer' })
  await level.open()
  const put = (number, data) => level.put(padded(number), data, { sync: true })
  return {
    append: (number) => put(number, record(number)),
    appendAsync: (number) => put(number, record(number)),
    appendMany: (from, count) => level.batch(records(from, count).map((value, index) => ({ type: 'put', key: padded(from + index), value })), { sync: true }),
    read: (number) => level.getSync(padded(number)),
    async scan(each) {
      const iterator = level.iterator()
      for (let found = await iterator.nextv(1000); found.length > 0; found = await iterator.nextv(1000)) for (const [, value] of found) each(value)
      await iterator.close()
    },
    overwrite: (number, version) => put(number, record(number + version)),
    overwritten: (number) => level.getSync(padded(number)),
    close: () => level.close(),
  }
}
