/** One store in several threads: who sees what when, who waits for whom, and that nothing is lost. */

import { stat } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import { objects } from 'pmem'
import { rejects, throws } from './helpers/errors.js'
import { type AnyStore, Other, open, reopened, turn } from './helpers/objects-threads.js'
import { startProcess } from './helpers/pools-peers.js'

// Views

test.serial('what another thread commits is not seen within the turn, and seen in the next one', async (t) => {
  const store = open(t, () => ({ a: 1, b: 1 }))
  const other = new Other(t, store.path)
  const { root } = store
  t.is(root.a, 1)
  other.now((store) => store.transaction(() => ((store.root.a = 2), (store.root.b = 2))))
  t.is(root.b, 1)
  t.is(store.root.a + store.root.b, 2)
  await turn()
  t.is(root.a + root.b, 4)
})

test.serial('a view begins with the first read, not with the turn', async (t) => {
  const store = open(t, () => ({ a: 1 }))
  const { root } = store
  const other = new Other(t, store.path)
  await turn()
  other.now((store) => (store.root.a = 2))
  t.is(root.a, 2)
  other.now((store) => (store.root.a = 3))
  t.is(root.a, 2)
})

test.serial('microtasks that come behind an await see the next view', async (t) => {
  const store = open(t, () => ({ a: 1 }))
  const other = new Other(t, store.path)
  const { root } = store
  t.is(root.a, 1)
  other.now((store) => (store.root.a = 2))
  await Promise.resolve()
  t.is(root.a, 2)
})

test.serial('refresh sees what was committed, and a transaction too', (t) => {
  const store = open(t, () => ({ a: 1 }))
  const other = new Other(t, store.path)
  const { root } = store
  t.is(root.a, 1)
  other.now((store) => (store.root.a = 2))
  t.is(root.a, 1)
  store.refresh()
  t.is(root.a, 2)
  other.now((store) => (store.root.a = 3))
  t.is(root.a, 2)
  t.is(store.transaction(() => root.a), 3)
})

test.serial('refresh within a transaction changes nothing', (t) => {
  const store = open(t, () => ({ a: 1 }))
  t.is(store.transaction(() => {
    store.root.a = 2
    store.refresh()
    return store.root.a
  }), 2)
})

test.serial('a thread sees its own changes at once, and then what others committed before', (t) => {
  const store = open(t, () => ({ a: 1, b: 1 }))
  const other = new Other(t, store.path)
  const { root } = store
  t.is(root.a, 1)
  other.now((store) => (store.root.a = 2))
  root.b = 5
  t.deepEqual([root.a, root.b], [2, 5])
})

test.serial('what is cached of records, dictionaries, sizes, arrays and sorted maps goes with what other threads change', async (t) => {
  const many = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`field ${index}`, index]))
  const store = open(t, (store) => ({ record: { a: 1, b: 'x' }, many, map: new Map([['a', 1]]), set: new Set([1]), list: [1, 2, 3, 4, 5], sorted: store.sortedMap([['a', 1]]) }))
  const { record, many: dictionary, map, set, list, sorted } = store.root
  const look = () => [
    record.a, record.b, record.c, Object.keys(record).length,
    dictionary['field 7'], dictionary.more, Object.keys(dictionary).length,
    map.size, map.get('a'), [...map.keys()], set.size, [...set],
    list.length, list[1], [...list], sorted.size, sorted.get('a'), [...sorted.keys()],
  ]
  const other = new Other(t, store.path)
  const before = look()
  t.deepEqual(before, look())
  other.now(({ root }) => {
    delete root.record.b
    root.record.a = 2
    root.record.c = 3
    root.many['field 7'] = 'seven'
    root.many.more = 1
    root.map.set('a', 2).set('b', 3)
    root.set.delete(1)
    root.set.add(2).add(3)
    root.list.splice(1, 2, 'two')
    root.sorted.set('a', 2).set('b', 3)
  })
  t.deepEqual(look(), before)
  await turn()
  t.deepEqual(look(), [2, undefined, 3, 2, 'seven', 1, 301, 2, 2, ['a', 'b'], 2, [2, 3], 4, 'two', [1, 'two', 4, 5], 2, 2, ['a', 'b']])
})

test.serial('an iterator in progress goes on over what other threads leave of it', async (t) => {
  const entries = Array.from({ length: 600 }, (_, index) => [index, index] as const)
  const store = open(t, (store) => ({ map: new Map(entries), list: entries.map(([key]) => key), sorted: store.sortedMap(entries) }))
  const { map, list, sorted } = store.root
  const other = new Other(t, store.path)
  const iterators: Iterator<any>[] = [map.keys(), list.values(), sorted.keys()]
  // Far enough to have fetched many ahead.
  for (const iterator of iterators) for (let index = 0; index < 100; index += 1) t.is(iterator.next().value, index)
  other.now(({ root }) => {
    for (let key = 50; key < 200; key += 1) {
      root.map.delete(key)
      root.sorted.delete(key)
    }
    root.list.splice(100, 100)
    root.map.set('more', 1)
    root.list.push('more')
    root.sorted.set(1000, 1)
  })
  for (const iterator of iterators) t.is(iterator.next().value, 100)
  await turn()
  const rest = iterators.map((iterator) => {
    const found: unknown[] = []
    for (let step = iterator.next(); !step.done; step = iterator.next()) found.push(step.value)
    return [found.length, found[0], found.at(-1)]
  })
  t.deepEqual(rest, [[401, 200, 'more'], [400, 201, 'more'], [401, 200, 1000]])
})

// Changes that cross

test.serial('what another thread has pushed meanwhile stays before what is pushed now', (t) => {
  const store = open(t, () => ({ list: [1, 2] }))
  const { list } = store.root
  const other = new Other(t, store.path)
  t.is(list.length, 2)
  other.now(({ root }) => root.list.push('b'))
  t.is(list.push('a'), 4)
  t.deepEqual([...list], [1, 2, 'b', 'a'])
})

test.serial('an item behind the end is set where another thread has changed the length meanwhile', (t) => {
  const store = open(t, () => ({ list: [1, 2] }))
  const { list } = store.root
  const other = new Other(t, store.path)
  t.is(list.length, 2)
  other.now(({ root }) => root.list.push('b'))
  list[2] = 'a'
  t.deepEqual([...list], [1, 2, 'a'])
  other.now(({ root }) => (root.list.length = 1))
  t.throws(() => (list[3] = 'gap'), { instanceOf: RangeError })
  t.deepEqual([...list], [1])
})

test.serial('a length is set also where another thread has changed it meanwhile', (t) => {
  const store = open(t, () => ({ list: [1, 2, 3, 4, 5] }))
  const { list } = store.root
  const other = new Other(t, store.path)
  t.is(list.length, 5)
  other.now(({ root }) => root.list.pop())
  list.length = 2
  t.deepEqual([...list], [1, 2])
  other.now(({ root }) => root.list.push(3))
  list.length = 2
  t.deepEqual([...list], [1, 2])
})

test.serial('methods of arrays go by what there is when they run', (t) => {
  const store = open(t, () => ({ list: [3, 1] }))
  const { list } = store.root
  const other = new Other(t, store.path)
  const crossed = <R>(work: () => R) => {
    const { length } = list
    other.now(({ root }) => root.list.push(2))
    return [length, work(), [...list]]
  }
  t.deepEqual(crossed(() => list.sort().length), [2, 3, [1, 2, 3]])
  t.deepEqual(crossed(() => list.pop()), [3, 2, [1, 2, 3]])
  t.deepEqual(crossed(() => list.shift()), [3, 1, [2, 3, 2]])
  t.deepEqual(crossed(() => list.unshift(0)), [3, 5, [0, 2, 3, 2, 2]])
  t.deepEqual(crossed(() => list.splice(-1, 1, 'last')), [5, [2], [0, 2, 3, 2, 2, 'last']])
  // oxlint-disable-next-line unicorn/no-array-reverse -- it is what is tested
  t.deepEqual(crossed(() => list.reverse().length), [6, 7, [2, 'last', 2, 2, 3, 2, 0]])
})

test.serial('getOrInsert gives what another thread has inserted meanwhile', (t) => {
  const store = open(t, () => new Map())
  const { root } = store
  const other = new Other(t, store.path)
  t.is(root.get('key'), undefined)
  other.now((store) => store.root.set('key', 'b'))
  t.is(root.getOrInsert('key', 'a'), 'b')
  t.is(root.get('key'), 'b')
})

test.serial('no other thread inserts while getOrInsertComputed calls its function', (t) => {
  const store = open(t, (store) => ({ map: new Map(), sorted: store.sortedMap() }))
  const other = new Other(t, store.path, [], { busyTimeout: 0 })
  other.now(() => {})
  const refused = (store: AnyStore, name: string) => {
    try {
      store.root[name].set('key', 'theirs')
    } catch (error) {
      if ((error as { code?: string }).code === 'ERR_PMEM_BUSY') return
    }
    throw new Error('it was inserted')
  }
  for (const name of ['map', 'sorted']) {
    const compute = () => (other.now(refused, name), 'ours')
    t.is(store.root[name].getOrInsertComputed('key', compute), 'ours')
    t.is(store.root[name].get('key'), 'ours')
  }
})

test.serial('getOrInsertComputed does not ask for what another thread has inserted before', (t) => {
  const store = open(t, (store) => ({ map: new Map(), sorted: store.sortedMap() }))
  const { map, sorted } = store.root
  const other = new Other(t, store.path)
  t.deepEqual([map.get('key'), sorted.get('key')], [undefined, undefined])
  other.now(({ root }) => [root.map, root.sorted].map((map) => map.set('key', 'theirs')))
  for (const one of [map, sorted]) t.is(one.getOrInsertComputed('key', () => t.fail()), 'theirs')
})

test.serial('sizes count what other threads have added meanwhile', (t) => {
  const store = open(t, (store) => ({ map: new Map(), set: new Set(), sorted: store.sortedMap() }))
  const { map, set, sorted } = store.root
  const other = new Other(t, store.path)
  t.deepEqual([map.size, set.size, sorted.size], [0, 0, 0])
  other.now(({ root }) => {
    root.map.set('b', 1)
    root.set.add('b')
    root.sorted.set('b', 1)
  })
  t.deepEqual([map.set('a', 1).size, set.add('a').size, sorted.set('a', 1).size], [2, 2, 2])
  t.deepEqual([[...map.keys()], [...set], [...sorted.keys()]], [['b', 'a'], ['b', 'a'], ['a', 'b']])
})

test.serial('fields are set and deleted also where another thread has added and deleted some meanwhile', (t) => {
  const store = open(t, () => ({ record: { a: 1, b: 2 } }))
  const { record } = store.root
  const other = new Other(t, store.path)
  t.is(record.a, 1)
  other.now(({ root }) => (root.record.c = 3))
  record.d = 4
  t.deepEqual(objects.toPlain(record), { a: 1, b: 2, c: 3, d: 4 })
  other.now(({ root }) => delete root.record.a)
  record.b = 'two'
  t.deepEqual(objects.toPlain(record), { b: 'two', c: 3, d: 4 })
  other.now(({ root }) => delete root.record.c)
  delete record.d
  t.deepEqual(objects.toPlain(record), { b: 'two' })
  other.now(({ root }) => {
    for (let index = 0; index < 500; index += 1) root.record[`more ${index}`] = index
  })
  record.b = 'still'
  record.e = 5
  t.deepEqual([record.b, record.e, record['more 499'], Object.keys(record).length], ['still', 5, 499, 502])
})

test.serial('threads that increment in transactions lose no update', async (t) => {
  const store = open(t, () => ({ count: 0, list: [] as number[] }))
  const others = Array.from({ length: 2 }, () => new Other(t, store.path))
  const work = (store: AnyStore, name: number) => {
    for (let index = 0; index < 500; index += 1) {
      store.transaction(() => {
        store.root.count += 1
        store.root.list.push(name)
      })
    }
  }
  const running = others.map((other, name) => other.run(work, name))
  for (let index = 0; index < 500; index += 1) {
    store.transaction(() => (store.root.count += 1))
    if (index % 20 === 0) await turn()
  }
  await Promise.all(running)
  await turn()
  t.is(store.root.count, 1500)
  const { list } = store.root
  t.is(list.length, 1000)
  t.is(list.filter((name: number) => name === 1).length, 500)
})

test.serial('threads that push without transactions lose no item', async (t) => {
  const store = open(t, () => ({ list: [] as number[], map: new Map(), set: new Set() }))
  const work = ({ root }: AnyStore, name: number) => {
    for (let index = 0; index < 300; index += 1) {
      const length = root.list.push(name * 1000 + index)
      root.map.set(name * 1000 + index, length)
      root.set.add(index)
    }
  }
  await Promise.all([1, 2].map((name) => new Other(t, store.path).run(work, name)))
  const { list, map, set } = store.root
  t.deepEqual([list.length, map.size, set.size], [600, 600, 300])
  // In each thread's order.
  for (const name of [1, 2]) {
    const own = list.filter((item: number) => Math.floor(item / 1000) === name)
    t.deepEqual(own, Array.from({ length: 300 }, (_, index) => name * 1000 + index))
  }
  for (const [item, length] of map) t.is(list[length - 1], item)
})

// Waiting

test.serial('a change waits as long as busyTimeout says for another thread, and then says for how long that has held the store', async (t) => {
  const store = open(t, () => ({ a: 1 }), { busyTimeout: 200 })
  const other = new Other(t, store.path)
  const held = other.hold(20_000, ({ root }) => (root.a = 2))
  const started = performance.now()
  throws(t, 'ERR_PMEM_BUSY', () => (store.root.a = 3))
  const waited = performance.now() - started
  t.true(waited >= 195 && waited < 5000, `${waited}`)
  const { message } = t.throws(() => store.transaction(() => t.fail()), { code: 'ERR_PMEM_BUSY' })
  t.regex(message, /'.*store' is being changed by the worker \d+, for \d+ ms/)
  t.true(Number(/(\d+) ms/.exec(message)![1]) >= 195, message)
  t.false(store.inTransaction)
  // Readers do not wait.
  t.is(store.root.a, 1)
  await held.leave()
  store.transaction(() => (store.root.a += 5))
  t.is(store.root.a, 7)
})

test.serial('each handle waits as long as its own busyTimeout says, whoever opened the store first', async (t) => {
  const store = open(t, () => ({ a: 1 }), { busyTimeout: 20_000 })
  const hasty = reopened(t, store, { busyTimeout: 100 })
  const held = new Other(t, store.path).hold(20_000, ({ root }) => (root.a = 2))
  const started = performance.now()
  throws(t, 'ERR_PMEM_BUSY', () => (hasty.root.a = 3))
  t.true(performance.now() - started < 10_000)
  await held.leave()
})

test.serial('a change goes on as soon as the other thread has ended its transaction', async (t) => {
  const store = open(t, () => ({ a: 1 }))
  const other = new Other(t, store.path)
  const { over } = other.hold(150, ({ root }) => (root.a = 2))
  store.transaction(() => (store.root.a += 5))
  t.is(store.root.a, 7)
  await over
})

test.serial('transactionAsync waits for another thread without holding up the event loop', async (t) => {
  const store = open(t, () => ({ a: 1 }))
  const other = new Other(t, store.path)
  const held = other.hold(20_000, ({ root }) => (root.a = 2))
  let ran = false
  const waiting = store.transactionAsync(() => {
    ran = true
    return (store.root.a += 5)
  })
  for (let ticks = 0; ticks < 10; ticks += 1) await pause(5)
  t.false(ran)
  await held.leave()
  t.is(await waiting, 7)
  t.is(store.root.a, 7)
})

test.serial('transactionAsync gives up after busyTimeout, and holds up the event loop never', async (t) => {
  const store = open(t, () => ({ a: 1 }), { busyTimeout: 300 })
  const other = new Other(t, store.path)
  const held = other.hold(20_000, ({ root }) => (root.a = 2))
  let longest = 0
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
  }, 5)
  const started = performance.now()
  await rejects(t, { code: 'ERR_PMEM_BUSY', says: 'being changed by the worker' }, () => store.transactionAsync(() => t.fail()))
  const took = performance.now() - started
  longest = Math.max(longest, performance.now() - last)
  clearInterval(timer)
  t.true(took >= 295, `${took}`)
  t.true(longest < 200, `the event loop stood still for ${longest} ms`)
  await held.leave()
  t.is(await store.transactionAsync(() => store.root.a), 2)
})

test.serial('many that wait by transactionAsync leave the runtime its pool, and have their turns in order', async (t) => {
  const store = open(t, () => ({ list: [] as number[] }))
  const other = new Other(t, store.path)
  const held = other.hold(20_000, ({ root }) => root.list.push(-1))
  let ran = 0
  const waiting = Array.from({ length: 20 }, (_, index) => store.transactionAsync(() => {
    ran += 1
    return store.root.list.push(index)
  }))
  for (let index = 0; index < 5; index += 1) await stat(store.path)
  t.is(ran, 0)
  await held.leave()
  t.deepEqual(await Promise.all(waiting), Array.from({ length: 20 }, (_, index) => index + 2))
  t.deepEqual([...store.root.list], Array.from({ length: 21 }, (_, index) => index - 1))
})

test.serial('one that throws, or gives up, is in the way of none behind it', async (t) => {
  const store = open(t, () => ({ a: 1 }), { busyTimeout: 200 })
  const other = new Other(t, store.path)
  const first = other.hold(20_000, () => {})
  const started = performance.now()
  const given = Array.from({ length: 50 }, () => rejects(t, 'ERR_PMEM_BUSY', () => store.transactionAsync(() => t.fail())))
  await Promise.all(given)
  t.true(performance.now() - started < 5000, 'each waits its own time, not those of all before it')
  await first.leave()
  const second = other.hold(20_000, () => {})
  const thrown = new Error('mine')
  const failing = t.throwsAsync(store.transactionAsync(() => {
    throw thrown
  }), { is: thrown })
  const behind = store.transactionAsync(() => (store.root.a += 1))
  await second.leave()
  await failing
  t.is(await behind, 2)
})

test.serial('what transactionAsync changed is seen by its thread at once, and by others once it is durable', async (t) => {
  const store = open(t, () => ({ a: 1, list: [] as number[] }))
  const other = new Other(t, store.path)
  const sees = (expected: number) => other.now(({ root }, expected) => {
    if (root.a !== expected || root.list.length !== expected - 1) throw new Error(`it sees ${root.a}, not ${expected}`)
  }, expected)
  const done = store.transactionAsync(() => {
    store.root.list.push(1)
    return (store.root.a = 2)
  })
  t.deepEqual([store.root.a, store.root.list.length], [2, 1])
  sees(1)
  t.is(await done, 2)
  sees(2)
  // A transaction makes durable what came before it.
  const before = store.transactionAsync(() => (store.root.list.push(2), (store.root.a = 3)))
  store.transaction(() => {})
  sees(3)
  t.is(await before, 3)
})

test.serial('transactionAsync within a transaction runs after that', async (t) => {
  const store = open(t, () => ({ a: 'before' }))
  let later: Promise<string> | undefined
  store.transaction(() => {
    later = store.transactionAsync(() => (store.root.a += ', inner'))
    store.root.a = 'outer'
  })
  t.is(store.root.a, 'outer')
  t.is(await later, 'outer, inner')
})

test.serial('a store that is closed while transactionAsync waits says so', async (t) => {
  const store = open(t, () => ({ a: 1 }))
  const other = new Other(t, store.path)
  const held = other.hold(20_000, ({ root }) => (root.a = 2))
  const waiting = store.transactionAsync(() => t.fail())
  store.close()
  await held.leave()
  await rejects(t, 'ERR_PMEM_CLOSED', () => waiting)
})

test.serial('several transactionAsync of one thread run one after the other', async (t) => {
  const store = open(t, () => ({ a: 0 }))
  const other = new Other(t, store.path)
  const held = other.hold(50, () => 0)
  const all = Array.from({ length: 20 }, () => store.transactionAsync(() => (store.root.a += 1)))
  const results = await Promise.all(all)
  t.deepEqual(results.toSorted((one, other) => one - other), Array.from({ length: 20 }, (_, index) => index + 1))
  await held.over
})

// Readers

test.serial('readers never wait, and never see half a commit', async (t) => {
  const names = Array.from({ length: 50 }, (_, index) => `field ${index}`)
  const store = open(t, (store) => ({ map: new Map(names.map((name) => [name, 0])), list: names.map(() => 0), record: { a: 0, b: 0 }, sorted: store.sortedMap(names.map((name) => [name, 0])), end: 0 }))
  const other = new Other(t, store.path)
  await other.run(() => 0)
  const over = other.run((store, names: string[]) => {
    for (let round = 1; round <= 200; round += 1) {
      store.transaction(() => {
        const { map, list, record, sorted } = store.root
        for (const [index, name] of names.entries()) {
          map.set(name, round)
          list[index] = round
          sorted.set(name, round)
        }
        record.a = round
        record.b = round
      })
    }
    store.root.end = 1
  }, names)
  const seen = new Set<number>()
  let slowest = 0
  const { root } = store
  while (root.end === 0) {
    const started = performance.now()
    const { map, list, record, sorted } = root
    const all = new Set<number>([...map.values(), ...list, record.a, record.b, ...sorted.values()])
    slowest = Math.max(slowest, performance.now() - started)
    if (all.size !== 1) t.fail(`half a commit is seen: ${[...all].join(', ')}`)
    seen.add([...all][0]!)
    await turn()
  }
  await over
  t.true(seen.size > 3, `${seen.size} commits were seen`)
  t.true(slowest < 2000, `${slowest}`)
})

test.serial('readers do not wait for an open transaction, and see nothing of it', async (t) => {
  const store = open(t, () => ({ a: 1, list: [1] }))
  const other = new Other(t, store.path)
  const held = other.hold(20_000, ({ root }) => {
    root.a = 2
    root.list.push(2)
  })
  for (let rounds = 0; rounds < 5; rounds += 1) {
    t.deepEqual([store.root.a, [...store.root.list]], [1, [1]])
    await turn()
  }
  const snapshot = store.snapshot()
  t.is(snapshot.root.a, 1)
  snapshot.close()
  await held.leave()
  await turn()
  t.deepEqual([store.root.a, [...store.root.list]], [2, [1, 2]])
})

// Ends

test.serial('a worker that is terminated in a transaction has changed nothing, and holds nothing', async (t) => {
  const store = open(t, () => ({ a: 1, list: [1] }), { busyTimeout: 10_000 })
  const other = new Other(t, store.path)
  const { over } = other.hold(20_000, ({ root }) => {
    root.a = 2
    root.list.push(2)
  })
  const ended = t.throwsAsync(over)
  await other.kill()
  await ended
  store.transaction(() => (store.root.a += 5))
  t.deepEqual([store.root.a, [...store.root.list]], [6, [1]])
  store.close()
  t.is(reopened(t, store).root.a, 6)
})

test.serial('a store that one thread has closed stays open for others', async (t) => {
  const store = open(t, () => ({ a: 1 }))
  const other = new Other(t, store.path)
  t.is(await other.run(({ root }) => root.a), 1)
  store.close()
  t.is(await other.run(({ root }) => (root.a += 1)), 2)
  await other.run((store) => store.close())
  t.is(reopened(t, store).root.a, 2)
})

test.serial('what one thread removes stays readable where another one holds it, and can be put back', async (t) => {
  const store = open(t, () => ({ map: new Map<string, any>([['kept', { deep: { list: [1, 2] } }]]) }))
  const { map } = store.root
  const kept = map.get('kept')
  const { list } = kept.deep
  const other = new Other(t, store.path)
  other.now(async (store) => {
    store.root.map.delete('kept')
    await store.gc()
  })
  await turn()
  t.false(map.has('kept'))
  t.deepEqual(objects.toPlain(kept), { deep: { list: [1, 2] } })
  list.push(3)
  kept.more = 1
  map.set('again', kept)
  t.is(map.get('again'), kept)
  t.deepEqual(await other.run(({ root }) => JSON.stringify(root.map.get('again'))), '{"deep":{"list":[1,2,3]},"more":1}')
  store.close()
  await other.kill()
  t.deepEqual(objects.toPlain(reopened(t, store).root.map.get('again')), { deep: { list: [1, 2, 3] }, more: 1 })
})

test.serial('ids that threads give to what they make at once are of one container each', async (t) => {
  const store = open(t, () => ({ map: new Map<string, any>() }))
  const work = ({ root }: AnyStore, name: string) => {
    for (let index = 0; index < 700; index += 1) root.map.set(`${name} ${index}`, { name, index })
  }
  await Promise.all(['one', 'two'].map((name) => new Other(t, store.path).run(work, name)))
  t.is(store.root.map.size, 1400)
  for (const [key, { name, index }] of store.root.map) t.is(key, `${name} ${index}`)
})

test.serial('classes are of each thread, and a thread without them says so', async (t) => {
  class User extends objects.Persistent {
    name = 'ada'
  }
  const store = open(t, () => ({ user: undefined }), { classes: { User } })
  store.root.user = new User()
  const other = new Other(t, store.path)
  const error = await t.throwsAsync(other.run(({ root }) => root.user))
  t.is((error as NodeJS.ErrnoException).code, 'ERR_PMEM_CLASS')
})

// Processes

test.serial('a second process is refused', async (t) => {
  const store = open(t, () => ({ a: 1 }))
  const peer = startProcess(t)
  for (const options of [{}, { readonly: true }]) {
    const error = await t.throwsAsync(peer.run((it, path, options) => void it.objects.open(path, options), store.path, options))
    t.is((error as NodeJS.ErrnoException).code, 'EAGAIN')
  }
  store.close()
  t.is(await peer.run((it, path) => {
    const store = it.objects.open<any>(path)
    store.root.a += 1
    store.close()
    return store.path
  }, store.path), store.path)
  t.is(reopened(t, store).root.a, 2)
})

test.serial('a second process is told of backup', async (t) => {
  const store = open(t, () => ({ a: 1 }))
  const peer = startProcess(t)
  const error = await t.throwsAsync(peer.run((it, path) => void it.objects.open(path), store.path))
  t.regex(error!.message, /backup/)
})
