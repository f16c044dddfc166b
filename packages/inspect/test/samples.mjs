import { join } from 'node:path'
import { journal, objects, pmemblk, pmemlog } from './helpers.mjs'

/** A store with all kinds of containers and values. */
export function sampleStore(folder) {
  class User extends objects.Persistent {
    name = 'Ada'
    visits = 3
  }
  const path = join(folder, 'sample.store')
  const store = objects.open(path, { classes: { User }, root: () => ({ users: new Map() }) })
  const { root } = store
  root.users.set('ada', new User())
  root.users.set(7n, { name: 'Bob', tags: ['x', 'y'] })
  root.list = [undefined, null, true, -0, 12n, 'text', new Date(0), Uint8Array.of(1, 2, 255)]
  root.set = new Set(['needle in a set', 5])
  root.sorted = store.sortedMap([[['open', 2], 'second'], [['open', 1], 'first']])
  root.itself = root
  root.holes = new Map(Array.from({ length: 5000 }, (_, index) => [index, `value ${index}`]))
  for (let index = 0; index < 5000; index += 2) root.holes.delete(index)
  root.dictionary = Object.fromEntries(Array.from({ length: 3000 }, (_, index) => [`field ${index}`, index]))
  root.long = 'long '.repeat(1000)
  store.close()
  return path
}

export function sampleJournal(folder, records = ['zero', 'one', Buffer.of(0, 255)]) {
  const path = join(folder, 'events')
  const made = journal.open(path)
  made.appendMany(records)
  made.close()
  return path
}

export function sampleLog(folder, text = 'zero, one') {
  const path = join(folder, 'app.log')
  const log = pmemlog.create(path)
  log.append(text)
  log.close()
  return path
}

export function sampleBlocks(folder) {
  const path = join(folder, 'app.blk')
  const blocks = pmemblk.create(path, 512)
  blocks.write('block one', 1)
  blocks.setError(3)
  blocks.close()
  return path
}
