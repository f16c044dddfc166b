import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { entry, key, record } from '../data.mjs'

/** Each change writes all of it to a new file, which takes the other one's name once it is on the disk. */
export function open(folder) {
  const path = join(folder, 'state.json')
  const state = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : { list: [], map: {} }
  const save = () => {
    const file = openSync(`${path}.new`, 'w')
    writeSync(file, JSON.stringify(state))
    fsyncSync(file)
    closeSync(file)
    renameSync(`${path}.new`, path)
    const around = openSync(folder, 'r')
    fsyncSync(around)
    closeSync(around)
  }
  return {
    append(number) {
      state.list.push(record(number).toString('base64'))
      save()
    },
    read: (number) => Buffer.from(state.list[number], 'base64'),
    set(number, version) {
      state.map[key(number)] = entry(number, version)
      save()
    },
    setMany(numbers, version) {
      for (const number of numbers) state.map[key(number)] = entry(number, version)
      save()
    },
    change(number, version) {
      state.map[key(number)].visits = version
      save()
    },
    get: (number) => state.map[key(number)],
    close() {},
  }
}
