/** Transactions: all or nothing, in the file and in what this thread has cached of it. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { objects } from 'pmem'
import { rejects, throws } from './helpers/errors.js'
import { folder } from './helpers/files.js'
import { formOf } from './helpers/forms.js'
import { type AnyStore, open, reopened, turn } from './helpers/objects-threads.js'

class Abort extends Error {}

/** Does something in a transaction that is rolled back. */
function aborted<T>(store: AnyStore, work: () => T): T {
  let result: T
  try {
    store.transaction(() => {
      result = work()
      throw new Abort()
    })
  } catch (error) {
    if (!(error instanceof Abort)) throw error
  }
  return result!
}

const rich = (store: objects.Store<null>) => ({
  map: new Map<any, any>([['a', 1], ['b', { deep: true }]]),
  set: new Set<any>([1, 2]),
  list: [1, 2, 3] as any[],
  record: { a: 1, b: 'x' } as any,
  sorted: store.sortedMap<any, any>([['a', 1], ['b', 2]]),
  many: Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`field ${index}`, index])) as any,
})

/** Changes some of all of it. */
function change({ map, set, list, record, sorted, many }: any): void {
  map.set('a', 2).set('c', [1]).delete('b')
  set.add(3).delete(1)
  list.push(4)
  list.shift()
  list[0] = 'changed'
  record.a = 2
  record.added = new Map([[1, 1]])
  delete record.b
  sorted.set('a', 2).set('c', 3).delete('b')
  many['field 7'] = 'seven'
  many.added = 1
  delete many['field 8']
}

const plain = (store: { readonly root: any }) => formOf(objects.toPlain(store.root))

/** All that can be read and is cached. */
function look({ map, set, list, record, sorted, many }: any): unknown[] {
  return [
    map.size, map.get('a'), [...map.keys()], set.size, [...set], list.length, [...list], list[0], { ...record }, record.a, record.b,
    record.added, sorted.size, [...sorted], many['field 7'], many['field 8'], many.added, Object.keys(many).length,
  ]
}

test('a transaction returns what its work returns, and what it changed is there, also in the file', (t) => {
  const store = open(t, rich)
  t.is(store.transaction(() => {
    change(store.root)
    return 'result'
  }), 'result')
  const [live, copy] = [look(store.root), plain(store)]
  t.is(store.root.list[0], 'changed')
  t.is(store.root.many['field 7'], 'seven')
  store.close()
  const again = reopened(t, store)
  t.deepEqual(plain(again), copy)
  t.deepEqual(look(again.root).map(String), live.map(String))
})

test('a throw takes everything back, in all containers, in memory and in the file', (t) => {
  const store = open(t, rich)
  const { root } = store
  const [before, seen] = [plain(store), look(root)]
  aborted(store, () => {
    change(root)
    t.notDeepEqual(plain(store), before)
    t.is(root.list[0], 'changed')
    root.map.clear()
    store.root = 'other'
  })
  t.deepEqual(look(root), seen)
  t.deepEqual(plain(store), before)
  t.is(store.root, root)
  store.close()
  t.deepEqual(plain(reopened(t, store)), before)
})

test('whatever is thrown comes out as it is', (t) => {
  const store = open(t, () => ({ a: 1 }))
  for (const thrown of [new Abort(), 'text', 7, null, undefined, Symbol('s'), { code: 'MINE' }]) {
    let caught: unknown = 'nothing'
    try {
      store.transaction(() => {
        store.root.a = 2
        throw thrown
      })
    } catch (error) {
      caught = error
    }
    t.is(caught, thrown)
    t.is(store.root.a, 1)
    t.false(store.inTransaction)
  }
})

test('reading a rolled back value again and again never gives what was taken back', (t) => {
  const store = open(t, rich)
  const { root } = store
  for (let round = 0; round < 20; round += 1) {
    const seen = look(root)
    aborted(store, () => {
      change(root)
      look(root)
    })
    t.deepEqual(look(root), seen, `${round}`)
    if (round % 3 === 0) store.transaction(() => root.list.push(round))
  }
})

test('inTransaction says whether one is open', (t) => {
  const store = open(t, () => new Map())
  t.false(store.inTransaction)
  store.transaction(() => {
    t.true(store.inTransaction)
    store.transaction(() => t.true(store.inTransaction))
    t.true(store.inTransaction)
    aborted(store, () => t.true(store.inTransaction))
    t.true(store.inTransaction)
  })
  t.false(store.inTransaction)
})

// Nested

test('a transaction within one is taken back by itself', (t) => {
  const store = open(t, rich)
  const { root } = store
  store.transaction(() => {
    root.record.a = 'outer'
    root.list.push('outer')
    const [before, seen] = [plain(store), look(root)]
    aborted(store, () => change(root))
    t.deepEqual(look(root), seen)
    t.deepEqual(plain(store), before)
    store.transaction(() => root.map.set('inner', 1))
  })
  t.deepEqual([root.record.a, [...root.list], root.map.get('inner')], ['outer', [1, 2, 3, 'outer'], 1])
  store.close()
  const again = reopened(t, store).root
  t.deepEqual([again.record.a, [...again.list], again.map.get('inner')], ['outer', [1, 2, 3, 'outer'], 1])
})

test('what inner transactions kept goes with the outer one', (t) => {
  const store = open(t, rich)
  const before = plain(store)
  aborted(store, () => {
    store.transaction(() => {
      store.transaction(() => change(store.root))
      store.root.record.a = 'middle'
    })
    store.root.list.push('outer')
  })
  t.deepEqual(plain(store), before)
  store.close()
  t.deepEqual(plain(reopened(t, store)), before)
})

test('transactions nest a hundred deep, and each second one is taken back', (t) => {
  const store = open(t, () => ({ list: [] as number[] }))
  const { list } = store.root
  const nest = (depth: number): void => {
    if (depth === 100) return
    store.transaction(() => {
      list.push(depth)
      nest(depth + 1)
    })
    aborted(store, () => list.push(-depth))
  }
  nest(0)
  t.deepEqual([...list], Array.from({ length: 100 }, (_, index) => index))
})

test('what an inner transaction made is gone with it, and what the outer one made stays', (t) => {
  const store = open(t, () => new Map<string, any>())
  let [outer, inner, kept]: any[] = []
  store.transaction(() => {
    outer = store.map([['a', 1]])
    store.root.set('outer', outer)
    inner = aborted(store, () => {
      store.root.set('inner', { b: 1 })
      return store.root.get('inner')
    })
    store.transaction(() => {
      kept = store.object({ c: 1 })
      outer.set('kept', kept)
    })
    throws(t, { code: 'ERR_PMEM_DETACHED', says: 'rolled back' }, () => inner.b)
  })
  throws(t, 'ERR_PMEM_DETACHED', () => inner.b)
  t.is(outer.get('kept'), kept)
  t.is(kept.c, 1)
})

// What is refused

test('an async function is refused before it runs', async (t) => {
  const store = open(t, () => new Map())
  let ran = false
  const work = async () => {
    ran = true
    store.root.set('ran', 1)
  }
  throws(t, 'ERR_PMEM_ASYNC', () => store.transaction(work as never))
  await rejects(t, 'ERR_PMEM_ASYNC', () => store.transactionAsync(work as never))
  t.false(ran)
  t.false(store.inTransaction)
})

test('a promise that the work returns rolls back', async (t) => {
  const store = open(t, () => new Map())
  // oxlint-disable-next-line unicorn/no-thenable -- that is what is refused
  const thenables = [() => Promise.resolve(1), () => ({ then: () => {} }), () => Object.assign(() => {}, { then: () => {} })]
  for (const make of thenables) {
    const work = () => {
      store.root.set('ran', 1)
      return make()
    }
    throws(t, 'ERR_PMEM_ASYNC', () => store.transaction(work as never))
    await rejects(t, 'ERR_PMEM_ASYNC', () => store.transactionAsync(work as never))
    t.false(store.root.has('ran'))
    t.false(store.inTransaction)
  }
})

test('a generator and an async generator are no promises', (t) => {
  const store = open(t, () => new Map())
  function* generator() {
    yield 1
  }
  t.deepEqual([...store.transaction(() => generator())], [1])
  t.is(typeof store.transaction(() => 7), 'number')
})

test('what is no function is refused', async (t) => {
  const store = open(t, () => new Map())
  for (const work of [undefined, null, 1, 'x', {}, []]) {
    throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"work"' }, () => store.transaction(work as never))
    await rejects(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"work"' }, () => store.transactionAsync(work as never))
  }
})

test('a value that cannot be stored takes back only its own change, where it is caught', (t) => {
  const store = open(t, () => new Map<string, any>())
  store.transaction(() => {
    store.root.set('before', 1)
    throws(t, 'ERR_PMEM_UNCLONEABLE', () => store.root.set('bad', { list: [() => 1] }))
    store.root.set('after', 1)
  })
  t.deepEqual([...store.root.keys()], ['before', 'after'])
  throws(t, 'ERR_PMEM_UNCLONEABLE', () => store.root.setMany([['a', 1], ['b', Symbol('s')]]))
  t.deepEqual([...store.root.keys()], ['before', 'after'])
})

test('a snapshot cannot be taken within a transaction', (t) => {
  const store = open(t, () => new Map())
  store.transaction(() => {
    throws(t, 'ERR_INVALID_ARG_VALUE', () => store.snapshot())
  })
  t.is(store.stats().snapshots, 0)
})

// Caches and what is in progress

test('iterators in progress go on over what a rollback leaves', (t) => {
  const entries = Array.from({ length: 500 }, (_, index) => [index, index] as const)
  const store = open(t, (store) => ({ map: new Map<any, any>(entries), list: entries.map(([key]) => key), sorted: store.sortedMap<any, any>(entries) }))
  const { map, list, sorted } = store.root
  const iterators: Iterator<any>[] = [map.keys(), list.values(), sorted.keys()]
  for (const iterator of iterators) for (let index = 0; index < 100; index += 1) iterator.next()
  aborted(store, () => {
    for (let key = 90; key < 300; key += 1) {
      map.delete(key)
      sorted.delete(key)
    }
    list.splice(90, 210)
    map.set('new', 1)
    for (const iterator of iterators) t.true(iterator.next().value >= 300 || iterator === iterators[1])
  })
  // Each goes on behind what it gave last.
  t.deepEqual(iterators.map((iterator) => iterator.next().value), [301, 101, 301])
  for (const iterator of iterators) {
    let count = 0
    while (!iterator.next().done) count += 1
    t.is(count, iterator === iterators[1] ? 398 : 198)
  }
})

test('an iterator that began in a transaction which was rolled back gives what is there', (t) => {
  const store = open(t, () => ({ map: new Map<any, any>([['a', 1], ['b', 2]]) }))
  const { map } = store.root
  const iterator = aborted(store, () => {
    map.set('c', 3)
    const keys = map.keys()
    keys.next()
    return keys
  })
  t.deepEqual([...iterator], ['b'])
})

test('shapes of a transaction that was rolled back are made again', (t) => {
  const store = open(t, () => new Map<string, any>())
  const make = () => ({ first: 1, second: 2 })
  aborted(store, () => {
    store.root.set('a', make())
    t.deepEqual({ ...store.root.get('a') }, make())
  })
  store.root.set('other', { quite: 1, different: 2 })
  store.root.set('a', make())
  store.root.get('other').third = 3
  aborted(store, () => (store.root.get('a').third = 3))
  store.root.get('a').fourth = 4
  store.close()
  const { root } = reopened(t, store)
  t.deepEqual(objects.toPlain(root), new Map<string, any>([['other', { quite: 1, different: 2, third: 3 }], ['a', { first: 1, second: 2, fourth: 4 }]]))
})

test('what becomes a dictionary in a transaction that is rolled back is a record again', (t) => {
  const store = open(t, () => ({ record: { a: 1, b: 2 } as any }))
  const { record } = store.root
  aborted(store, () => {
    for (let index = 0; index < 500; index += 1) record[`field ${index}`] = 'x'.repeat(20)
    t.is(Object.keys(record).length, 502)
  })
  t.deepEqual(objects.toPlain(record), { a: 1, b: 2 })
  record.c = 3
  store.close()
  t.deepEqual(objects.toPlain(reopened(t, store).root.record), { a: 1, b: 2, c: 3 })
})

// What was made

test('all kinds that were made in a transaction which was rolled back are detached, and say why', (t) => {
  const store = open(t, () => new Map<string, any>())
  const [map, set, list, object, sorted] = aborted(store, () => {
    const made = [store.map([['a', 1]]), store.set([1]), store.array([1]), store.object({ a: 1 }), store.sortedMap([['a', 1]])] as any[]
    for (const [index, container] of made.entries()) store.root.set(`${index}`, container)
    return made
  })
  const uses: (() => unknown)[] = [
    () => map.get('a'), () => map.size, () => [...map], () => map.set('b', 1), () => map.delete('a'), () => map.clear(),
    () => set.has(1), () => set.size, () => [...set], () => set.add(2), () => list[0], () => list.length, () => list.push(1), () => [...list],
    () => object.a, () => (object.a = 2), () => delete object.a, () => Object.keys(object), () => ({ ...object }), () => 'a' in object,
    () => sorted.get('a'), () => sorted.size, () => [...sorted], () => sorted.set('b', 1), () => JSON.stringify(object),
    () => store.root.set('again', map), () => store.root.set('again', { list }), () => (store.root = object),
  ]
  for (const use of uses) throws(t, { code: 'ERR_PMEM_DETACHED', says: 'rolled back' }, use, String(use))
  t.is(store.root.size, 0)
})

test('ids are not used again: nothing that is made later comes up under what is gone', (t) => {
  const store = open(t, () => new Map<string, any>())
  const gone: any[] = []
  for (let round = 0; round < 50; round += 1) {
    gone.push(aborted(store, () => {
      store.root.set('x', { round })
      return store.root.get('x')
    }))
    store.root.set(`kept ${round}`, { kept: round })
  }
  for (const object of gone) throws(t, 'ERR_PMEM_DETACHED', () => object.round)
  for (let round = 0; round < 50; round += 1) t.deepEqual(objects.toPlain(store.root.get(`kept ${round}`)), { kept: round })
  store.close()
  const again = reopened(t, store)
  again.root.set('later', { later: true })
  t.is(again.root.size, 51)
  for (let round = 0; round < 50; round += 1) t.deepEqual(objects.toPlain(again.root.get(`kept ${round}`)), { kept: round })
})

class User extends objects.Persistent {
  name = ''
  friends: unknown[] = []
}

test('an instance that was stored in a transaction which was rolled back is detached, and one that was not is still to be stored', (t) => {
  const store = open(t, () => new Map<string, any>(), { classes: { User } })
  const [stored, other, refused] = [new User(), new User(), new User()]
  aborted(store, () => {
    store.root.set('user', stored)
    stored.name = 'ada'
    throws(t, 'ERR_PMEM_UNCLONEABLE', () => store.root.set('refused', [refused, () => 1]))
  })
  throws(t, { code: 'ERR_PMEM_DETACHED', says: 'rolled back' }, () => stored.name)
  throws(t, 'ERR_PMEM_DETACHED', () => (stored.name = 'x'))
  throws(t, 'ERR_PMEM_DETACHED', () => store.root.set('user', stored))
  t.is(stored instanceof User, true)
  for (const user of [other, refused]) {
    user.name = 'bob'
    store.root.set('user', user)
    t.is(store.root.get('user'), user)
    t.is(user.name, 'bob')
  }
})

test('what was removed in a transaction that was rolled back is the same object as before', (t) => {
  const store = open(t, () => new Map<string, any>([['a', { b: { c: 1 } }]]))
  const { b } = store.root.get('a')
  aborted(store, () => {
    store.root.delete('a')
    b.c = 2
    store.root.set('elsewhere', b)
  })
  t.is(store.root.get('a').b, b)
  t.is(b.c, 1)
})

// From within

test('a store can be closed within its transaction, which is rolled back', (t) => {
  for (const [depth, ends] of [[1, false], [1, true], [3, false], [3, true]] as const) {
    const store = open(t, () => ({ a: 1 }))
    const { root } = store
    const work = (left: number): void => store.transaction(() => {
      root.a = 2
      if (left > 1) return work(left - 1)
      store.close()
      throws(t, 'ERR_PMEM_CLOSED', () => root.a)
      throws(t, 'ERR_PMEM_CLOSED', () => (root.a = 3))
      if (ends) throw new Abort('mine')
    })
    if (ends) t.throws(() => work(depth), { instanceOf: Abort })
    else throws(t, 'ERR_PMEM_CLOSED', () => work(depth))
    t.true(store.closed)
    t.false(store.inTransaction)
    const again = reopened(t, store)
    t.is(again.root.a, 1)
    again.transaction(() => (again.root.a = 4))
    t.is(again.root.a, 4)
  }
})

test('transactions begin in callbacks of the collections, and changes there count', (t) => {
  const store = open(t, () => ({ map: new Map<any, any>([['a', 1], ['b', 2], ['c', 3]]), list: [3, 1, 2], sum: 0 }))
  const { root } = store
  root.map.forEach((value: number) => store.transaction(() => (root.sum += value)))
  t.is(root.sum, 6)
  root.list.map((item: number) => store.transaction(() => (root.sum += item)))
  t.is(root.sum, 12)
  for (const key of root.map.keys()) aborted(store, () => root.map.set(key, 'no'))
  t.deepEqual([...root.map.values()], [1, 2, 3])
  root.list.sort((one: number, other: number) => {
    store.transaction(() => (root.sum += 1))
    aborted(store, () => (root.sum = 'no'))
    return one - other
  })
  t.deepEqual([...root.list], [1, 2, 3])
  t.true(root.sum > 12)
})

test('a comparison that throws leaves the array as it was', (t) => {
  const store = open(t, () => ({ list: [3, 1, 2], sum: 0 }))
  const { root } = store
  t.throws(() => root.list.sort(() => {
    root.sum += 1
    throw new Abort()
  }), { instanceOf: Abort })
  t.deepEqual([...root.list], [3, 1, 2])
  t.false(store.inTransaction)
})

test('transactions begin in getters and setters of a class', (t) => {
  class Account extends objects.Persistent {
    cents = 0
    changes = 0
    set balance(value: number) {
      store.transaction(() => {
        this.changes += 1
        if (value < 0) throw new Abort()
        this.cents = value
      })
    }
    get balance(): number {
      return store.transaction(() => this.cents)
    }
  }
  const store = open(t, () => new Map<string, any>(), { classes: { Account } })
  const account = new Account()
  store.root.set('account', account)
  account.balance = 5
  t.throws(() => (account.balance = -1), { instanceOf: Abort })
  t.deepEqual([account.balance, account.cents, account.changes], [5, 5, 1])
  store.transaction(() => {
    account.balance = 7
    t.throws(() => (account.balance = -1), { instanceOf: Abort })
  })
  t.deepEqual([account.balance, account.changes], [7, 2])
})

test('two stores have transactions of their own, one within the other', (t) => {
  const [one, other] = [open(t, () => ({ a: 1 })), open(t, () => ({ a: 1 }))]
  aborted(one, () => {
    one.root.a = 2
    other.transaction(() => (other.root.a = 2))
    t.true(one.inTransaction)
    t.false(other.inTransaction)
  })
  t.deepEqual([one.root.a, other.root.a], [1, 2])
})

test('two handles of a thread wait for each other no longer than busyTimeout', (t) => {
  const store = open(t, () => ({ a: 1 }), { busyTimeout: 50 })
  const second = reopened(t, store, { busyTimeout: 50 })
  store.transaction(() => {
    store.root.a = 2
    throws(t, 'ERR_PMEM_BUSY', () => (second.root.a = 3))
  })
  second.refresh()
  t.is(second.root.a, 2)
  second.root.a = 4
  store.refresh()
  t.is(store.root.a, 4)
})

// No room

test('a transaction that finds no room has changed nothing, also in the file', (t) => {
  const store = open(t, () => new Map<string, any>([['keep', 1]]), { maxSize: 20 << 20 })
  const { root } = store
  let made: any
  const fill = () => store.transaction(() => {
    made = store.map()
    root.set('made', made)
    root.delete('keep')
    for (let index = 0; index < 100_000; index += 1) made.set(index, 'x'.repeat(100))
  })
  throws(t, { code: 'ENOSPC', path: store.path }, fill)
  t.false(store.inTransaction)
  throws(t, 'ERR_PMEM_DETACHED', () => made.size)
  t.deepEqual([...root], [['keep', 1]])
  root.set('after', 1)
  t.deepEqual([...root.keys()], ['keep', 'after'])
  store.close()
  t.deepEqual([...reopened(t, store).root.keys()], ['keep', 'after'])
})

// What a transaction had been given stays taken in the core, also from removals, checkpoints and the close.
test('a transaction that finds no room has changed nothing, and its store goes on', (t) => {
  const store = open(t, () => new Map<string, any>([['keep', 1]]), { maxSize: 20 << 20 })
  const { root } = store
  let made: any
  const fill = () => store.transaction(() => {
    made = store.map()
    root.set('made', made)
    root.delete('keep')
    for (let index = 0; index < 3000; index += 1) made.set(index, `${index}`.padEnd(10_000, 'x'))
  })
  throws(t, { code: 'ENOSPC', path: store.path }, fill)
  t.false(store.inTransaction)
  throws(t, 'ERR_PMEM_DETACHED', () => made.size)
  t.deepEqual([...root], [['keep', 1]])
  root.set('after', 1)
  t.deepEqual([...root.keys()], ['keep', 'after'])
  store.close()
  t.deepEqual([...reopened(t, store).root.keys()], ['keep', 'after'])
})

test('a root that throws, or cannot be stored, leaves a store without one', (t) => {
  const path = join(folder(t), 'store')
  const thrown = new Abort()
  t.is(t.throws(() => objects.open(path, { root: () => { throw thrown } })), thrown)
  throws(t, 'ERR_PMEM_UNCLONEABLE', () => objects.open(path, { root: () => ({ bad: () => 1 }) as any }))
  throws(t, 'ERR_PMEM_UNCLONEABLE', () => objects.open(path, { root: (async () => ({ a: 1 })) as any }))
  t.true(existsSync(path))
  const store = open(t, () => ({ a: 1 }), { version: 3, upgrade: () => t.fail() }, path)
  t.is(store.root.a, 1)
  t.is(store.version, 3)
})

// The work's own store

test('transactionAsync gives what its work returns and throws what it throws', async (t) => {
  const store = open(t, () => ({ a: 1 }))
  t.is(await store.transactionAsync(() => (store.root.a = 2)), 2)
  await t.throwsAsync(store.transactionAsync(() => {
    store.root.a = 3
    throw new Abort()
  }), { instanceOf: Abort })
  t.is(store.root.a, 2)
  await turn()
  t.is(store.root.a, 2)
})

test('groups of commits are seen at once, in their order, and flushed tells when they are durable', async (t) => {
  const store = open(t, () => ({ a: 0 }), { durability: 'group' })
  const all = Array.from({ length: 50 }, (_, index) => store.transactionAsync(() => {
    store.root.a = index + 1
    return index
  }))
  t.is(store.root.a, 50)
  t.deepEqual(await Promise.all(all), Array.from({ length: 50 }, (_, index) => index))
  store.transaction(() => (store.root.a = 'last'))
  await store.flushed()
  aborted(store, () => (store.root.a = 'no'))
  t.is(store.root.a, 'last')
  store.close()
  t.is(reopened(t, store, { durability: 'group' }).root.a, 'last')
})
