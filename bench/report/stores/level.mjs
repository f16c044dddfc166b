import { join } from 'node:path'
import { Level } from 'level'
import { entry, key, record } from '../data.mjs'

/** As most programs use it: values are JSON. */
export async function open(folder) {
  const level = new Level(join(folder, 'level-json'), { valueEncoding: 'json' })
  await level.open()
  const sync = { sync: true }
  const put = (number) => level.put(`record:${String(number).padStart(12, '0')}`, { data: record(number).toString('base64') }, sync)
  return {
    append: put,
    appendAsync: put,
    read: async (number) => Buffer.from((await level.get(`record:${String(number).padStart(12, '0')}`)).data, 'base64'),
    set: (number, version) => level.put(key(number), entry(number, version), sync),
    setMany: (numbers, version) => level.batch(numbers.map((number) => ({ type: 'put', key: key(number), value: entry(number, version) })), sync),
    change: async (number, version) => level.put(key(number), { ...(await level.get(key(number))), visits: version }, sync),
    get: (number) => level.get(key(number)),
    close: () => level.close(),
  }
}
