/** Those who watch containers: what they are told, and when. */

import { setTimeout as pause } from 'node:timers/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { objects } from 'pmem'
import { startWorker } from './helpers/pools-peers.js'
import { folder } from './helpers/files.js'

const rich = (store: objects.Store<null>) => ({
  map: new Map<any, any>(),
  set: new Set<any>(),
  sorted: store.sortedMap<any, any>(),
  array: [1, 2] as any[],
  object: { a: 1 } as any,
})

function watched(t: ExecutionContext) {
  const path = join(folder(t), 'store')
  const store = objects.open(path, { root: rich })
  t.teardown(() => store.close())
  const told: [string, readonly unknown[] | undefined][] = []
  const root = store.root as any
  const ends = Object.keys(root).map((name) => store.watch(root[name], ({ keys }) => void told.push([name, keys])))
  /** What was told since the last call, by name. */
  const news = async () => {
    for (let left = 200; told.length === 0 && left > 0; left -= 1) await pause(5)
    await pause(30)
    return told.splice(0).toSorted(([one], [other]) => (one < other ? -1 : 1))
  }
  return { store, root, news, ends, path }
}

test('each kind of container tells where it was changed, once a turn', async (t) => {
  const { store, root, news } = watched(t)
  root.map.set('a', 1).set('b', 2).set('a', 3)
  root.set.add('x')
  root.sorted.set(['t', 1], 2)
  root.array[1] = 3
  root.object.a = 2
  root.object.b = 3
  t.deepEqual(await news(), [['array', [1]], ['map', ['a', 'b']], ['object', ['a', 'b']], ['set', ['x']], ['sorted', [['t', 1]]]])
  store.transaction(() => {
    root.map.delete('a')
    root.sorted.delete(['t', 1])
    delete root.object.a
    root.array.push(4)
    root.set.clear()
  })
  t.deepEqual(await news(), [['array', undefined], ['map', ['a']], ['object', ['a']], ['set', undefined], ['sorted', [['t', 1]]]])
  root.map.set(root.object, 1)
  const [[, keys] = []] = await news()
  t.is(keys?.[0], root.object)
})

test('what was rolled back is not told, nor what a part of a transaction took back', async (t) => {
  const { store, root, news } = watched(t)
  t.throws(() => store.transaction(() => {
    root.map.set('gone', 1)
    throw new Error('no')
  }), { message: 'no' })
  store.transaction(() => {
    root.object.a = 2
    t.throws(() => store.transaction(() => {
      root.map.set('gone', 1)
      throw new Error('no')
    }), { message: 'no' })
    t.throws(() => root.map.set('gone', () => {}), { code: 'ERR_PMEM_UNCLONEABLE' })
  })
  t.deepEqual(await news(), [['object', ['a']]])
})

test('what another thread changes is told too', async (t) => {
  const { root, news, path } = watched(t)
  const worker = startWorker(t)
  await worker.run(({ objects: module }, at) => {
    const other = module.open(at) as objects.Store<any>
    other.root.map.set('theirs', 1)
    other.close()
  }, path)
  t.deepEqual(await news(), [['map', ['theirs']]])
  t.is(root.map.get('theirs'), 1)
})

test('nothing is told after the end, nor after a close', async (t) => {
  const { store, root, news, ends } = watched(t)
  ends[0]!()
  ends[0]!()
  root.map.set('a', 1)
  root.set.add(1)
  t.deepEqual(await news(), [['set', [1]]])
  root.set.add(2)
  store.close()
  await pause(50)
  t.deepEqual(await news(), [])
})
