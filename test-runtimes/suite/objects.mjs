// Stores of objects: proxies, classes, dates and bytes, what is shown of them, and other threads' transactions.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { objects } from 'pmem'
import { check } from '../lib/check.mjs'
import { folder } from '../lib/files.mjs'

class User extends objects.Persistent {
  name = 'ada'
  visits = 0
  get doubled() {
    return 2 * this.visits
  }
}

class Secret extends objects.Persistent {
  static construct = true
  #secret = 'hidden'
  get secret() {
    return this.#secret
  }
}

const classes = { User, Secret }
const root = (store) => ({
  map: new Map([['a', 1], ['b', { deep: [1, 2] }]]),
  set: new Set([1, NaN]),
  list: [3, 'two', null],
  record: { a: 1n, date: new Date(5), bytes: Uint8Array.of(1, 2), text: 'ü\0\ud800' },
  sorted: store.sortedMap([[['b', 1], 1], [2, 2], ['a', 3]]),
})
const opened = (path = join(folder(), 'store'), options = {}) => objects.open(path, { classes, root, ...options })

check('objects: changes, reads and finds it again', () => {
  const store = opened()
  const ada = new User()
  store.root.map.set('ada', ada).set('secret', new Secret())
  ada.visits += 1
  store.root.list.push(4, 5)
  store.root.list.splice(1, 2, 'spliced')
  store.root.set.add('more').delete(1)
  const look = ({ map, set, list, record, sorted }) => [
    [...map.keys()], map.get('b').deep[1], map.get('ada').doubled, map.get('secret').secret, [...set], [...list], { ...record }, [...sorted.keys()], sorted.first(),
  ]
  const expected = [
    ['a', 'b', 'ada', 'secret'], 2, 2, 'hidden', [NaN, 'more'], [3, 'spliced', 4, 5],
    { a: 1n, date: new Date(5), bytes: Uint8Array.of(1, 2), text: 'ü\0\ud800' }, [2, 'a', ['b', 1]], [2, 2],
  ]
  assert.deepEqual(look(store.root), expected)
  assert.equal(store.root.map.get('ada'), ada)
  store.close()
  assert.throws(() => ada.visits, { code: 'ERR_PMEM_CLOSED' })
  assert.equal(objects.check(store.path).sound, true)
  const again = opened(store.path)
  assert.deepEqual(look(again.root), expected)
  assert.ok(again.root.map.get('ada') instanceof User && again.root.map instanceof Map && Array.isArray(again.root.list))
  again.close()
})

check('objects: transactions are taken back where they throw', async () => {
  const store = opened()
  const { list, record } = store.root
  let made
  assert.throws(() => store.transaction(() => {
    made = store.map([['a', 1]])
    record.made = made
    list.length = 0
    throw new RangeError('abort')
  }), RangeError)
  assert.deepEqual([list.length, 'made' in record], [3, false])
  assert.throws(() => made.size, { code: 'ERR_PMEM_DETACHED' })
  assert.throws(() => store.transaction(async () => list.push(1)), { code: 'ERR_PMEM_ASYNC' })
  assert.throws(() => list.push(() => 1), { code: 'ERR_PMEM_UNCLONEABLE' })
  assert.equal(await store.transactionAsync(() => list.push(4)), 4)
  store.close()
})

check('objects: are shown, copied and listed as plain ones', () => {
  const store = opened()
  const { map, list } = store.root
  assert.match(inspect(list), /^live \[ 3, 'two', null \]$/)
  assert.match(inspect(map), /^live Map\(2\) \{ 'a' => 1/)
  assert.equal(JSON.stringify(list), '[3,"two",null]')
  assert.throws(() => structuredClone(map))
  assert.throws(() => structuredClone(list))
  const plain = objects.toPlain(map)
  assert.deepEqual(structuredClone(plain), new Map([['a', 1], ['b', { deep: [1, 2] }]]))
  store.close()
})

check('objects: snapshots stay, and copies open', async () => {
  const store = opened()
  const snapshot = store.snapshot()
  store.root.list.length = 0
  assert.deepEqual([...snapshot.root.list], [3, 'two', null])
  assert.throws(() => snapshot.root.list.push(1), { code: 'EROFS' })
  snapshot.close()
  await store.gc()
  const path = join(folder(), 'copy')
  await store.backup(path)
  store.close()
  const copy = opened(path)
  assert.deepEqual([copy.root.list.length, copy.root.map.get('a')], [0, 1])
  copy.close()
})
