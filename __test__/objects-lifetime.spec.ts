/** What lives how long: live objects, what they hold of the file, snapshots, and the space that comes back. */

import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import { objects } from 'pmem'
import { throws } from './helpers/errors.js'
import { type AnyStore, Other, open, reopened, turn } from './helpers/objects-threads.js'

/** Has the runtime collect what nobody holds, and say so. */
async function collect(): Promise<void> {
  for (let times = 0; times < 4; times += 1) {
    await turn()
    globalThis.gc!()
    await pause(5)
  }
}

/** Has what is free count as free: the store counts it at checkpoints, which so much log brings about. */
async function settle(store: AnyStore): Promise<void> {
  await store.gc()
  for (let times = 0; times < 3; times += 1) checkpoint(store)
}

function checkpoint(store: AnyStore): void {
  const text = 'x'.repeat(900)
  for (let frame = 0; frame < 11; frame += 1) {
    store.transaction(() => {
      for (let index = 0; index < 1000; index += 1) store.root.set('settle', text)
    })
  }
  store.root.delete('settle')
}

const make = () => new Map<string, any>()

test.serial('a container is the same object as long as anyone holds it, and may be another one then', async (t) => {
  const store = open(t, () => new Map<string, any>([['a', [1]], ['b', { list: [1] }]]))
  t.is(store.root, store.root)
  const b = store.root.get('b')
  const reference = new WeakRef(store.root.get('a'))
  const list = new WeakRef(b.list)
  await collect()
  t.is(store.root.get('b'), b)
  t.is(reference.deref(), undefined)
  t.deepEqual([...store.root.get('a')], [1])
  // An object has its fields' live objects at hand.
  t.is(b.list, list.deref())
})

test.serial('live objects do not keep each other, nor does the store keep them', async (t) => {
  const store = open(t, () => new Map<string, any>())
  const references: WeakRef<object>[] = []
  const fill = () => {
    for (let index = 0; index < 200; index += 1) {
      store.root.set(`${index}`, { deep: { index } })
      references.push(new WeakRef(store.root.get(`${index}`)))
    }
  }
  fill()
  await collect()
  t.is(references.filter((reference) => reference.deref()).length, 0)
  t.is(store.root.get('7').deep.index, 7)
})

test.serial('a removed container stays as long as its live object, with all that is in it', async (t) => {
  const store = open(t, () => new Map<string, any>([['a', { list: [1, { deep: true }] }]]))
  const a = store.root.get('a')
  store.root.delete('a')
  t.is((await store.gc()).containers, 0)
  await collect()
  t.is(a.list[1].deep, true)
  a.list.push(2)
  store.root.set('again', a)
  t.is(store.root.get('again'), a)
  store.close()
  t.deepEqual(objects.toPlain(reopened(t, store).root.get('again')), { list: [1, { deep: true }, 2] })
})

test.serial('what is made and never put anywhere goes once nobody holds it', async (t) => {
  const store = open(t, make)
  await settle(store)
  const { used } = store.stats()
  const fill = () => {
    const held = Array.from({ length: 20 }, (_, index) => store.array([index, 'x'.repeat(200_000)]))
    return held.length
  }
  t.is(fill(), 20)
  t.true(store.stats().used > used + 3_000_000, `${store.stats().used - used}`)
  await collect()
  await settle(store)
  t.true(store.stats().used < used + 500_000, `${store.stats().used - used}`)
})

test.serial('what is removed and not held gives its space back without gc', async (t) => {
  const store = open(t, make)
  await settle(store)
  const { used } = store.stats()
  const fill = () => store.root.set('large', Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`${index}`, { text: 'x'.repeat(50_000) }])))
  fill()
  t.true(store.stats().used > used + 4_000_000)
  store.root.delete('large')
  await collect()
  for (let times = 0; times < 3; times += 1) checkpoint(store)
  t.true(store.stats().used < used + 500_000, `${store.stats().used - used}`)
})

test.serial('what a process held when it ended is freed when the store is opened again', async (t) => {
  const store = open(t, make)
  await settle(store)
  const { used } = store.stats()
  const held = store.array(['x'.repeat(3_000_000)])
  store.root.set('kept', { a: 1 })
  t.is(held.length, 1)
  store.close()
  const again = reopened(t, store)
  await settle(again)
  t.true(again.stats().used < used + 500_000, `${again.stats().used - used}`)
  t.is(again.root.get('kept').a, 1)
})

test.serial('circles that nobody can reach are freed by gc, and those that someone holds are not', async (t) => {
  const store = open(t, make)
  const circle = (name: string) => {
    const [one, other] = [store.object<any>({ name }), store.map<string, any>()]
    one.other = other
    other.set('one', one).set('text', 'x'.repeat(1000))
    one.self = one
    store.root.set('circle', one)
    return one
  }
  const fill = () => {
    for (let index = 0; index < 500; index += 1) circle(`${index}`)
  }
  const held = circle('held')
  fill()
  store.root.delete('circle')
  await collect()
  const { containers } = await store.gc()
  t.is(containers, 1000)
  t.is(held.other.get('one'), held)
  t.is(held.name, 'held')
  store.root.set('again', held)
  t.is((await store.gc()).containers, 0)
  t.is(store.root.get('again').other.get('one').name, 'held')
})

test.serial('gc leaves alone what another thread holds', async (t) => {
  const store = open(t, () => new Map<string, any>())
  const other = new Other(t, store.path)
  await other.run((store) => {
    const circle = store.object<any>({ name: 'held' })
    circle.self = circle
    ;(globalThis as any).held = circle
  })
  t.is((await store.gc()).containers, 0)
  t.is(await other.run(() => (globalThis as any).held.self.self.name), 'held')
  await other.kill()
  t.is((await store.gc()).containers, 1)
})

test.serial('a handle that was opened, or asked for its version, keeps no view', async (t) => {
  const store = open(t, () => new Map<string, string>())
  const handle = reopened(t, store)
  await turn()
  for (const round of [1, 2]) {
    store.root.set('large', `${round}`.repeat(100_000))
    await store.gc()
    t.is(store.stats().pinned, 0)
    t.is(handle.version, 0)
    await turn()
  }
})

test.serial('gc beside changes frees nothing that is reached', async (t) => {
  const store = open(t, () => new Map<string, any>())
  const other = new Other(t, store.path)
  const running = other.run(async ({ root }) => {
    for (let index = 0; index < 300; index += 1) {
      root.set(`${index % 10}`, { index, list: [{ index }] })
      if (index % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    }
  })
  let over = false
  void running.then(() => (over = true))
  let times = 0
  // oxlint-disable-next-line no-unmodified-loop-condition -- another function modifies it
  while (!over) {
    await store.gc()
    times += 1
    for (const { index, list } of store.root.values()) if (list[0].index !== index) t.fail(`${index}`)
    await turn()
  }
  await running
  t.true(times > 1)
  t.deepEqual([...store.root.values()].map(({ list }) => list[0].index), Array.from({ length: 10 }, (_, index) => 290 + index))
})

test.serial('replacing a value again and again without gc leaves what is used flat', async (t) => {
  const rounds = Number(process.env['PMEM_TEST_REPLACEMENTS'] ?? 100_000)
  t.timeout(60_000 + rounds)
  const store = open(t, make, { durability: 'group' })
  const { root } = store
  const replace = (index: number) => root.set('value', { index, list: [index, 'x'.repeat(100)] })
  const used: number[] = []
  for (let index = 0; index < rounds; index += 1) {
    replace(index)
    if (index % 500 === 0) await turn()
    if (index % (rounds / 10) === 0) used.push(store.stats().used)
  }
  const [, first = 0, ...rest] = used
  t.true(Math.max(...rest) < first + (2 << 20), used.join(', '))
  t.deepEqual(objects.toPlain(root.get('value')), { index: rounds - 1, list: [rounds - 1, 'x'.repeat(100)] })
})

// It is counted at the next checkpoint only.
test('gc tells in stats what it has freed', async (t) => {
  const store = open(t, make)
  await settle(store)
  const { used } = store.stats()
  store.root.set('large', 'x'.repeat(4_000_000))
  t.true(store.stats().used > used + 3_500_000)
  store.root.delete('large')
  await store.gc()
  t.true(store.stats().used < used + 500_000, `${store.stats().used - used}`)
})

// Snapshots

const rich = (store: objects.Store<null>) => ({
  map: new Map<any, any>([['a', 1], ['b', { deep: [1, 2] }]]),
  set: new Set<any>([1, 2]),
  list: [1, 2, 3] as any[],
  record: { a: 1 } as any,
  sorted: store.sortedMap<any, any>([['a', 1], ['b', 2]]),
})

test.serial('a snapshot is of the last commit, and stays as it is', async (t) => {
  const store = open(t, rich)
  const { root } = store
  const snapshot = store.snapshot()
  const before: any = objects.toPlain(root)
  const seen = snapshot.root
  store.transaction(() => {
    root.map.clear()
    root.set.add(3)
    root.list.reverse()
    root.record.a = 2
    root.record.b = 3
    root.sorted.delete('a')
  })
  t.deepEqual(objects.toPlain(snapshot.root), before)
  await turn()
  t.is(snapshot.root, seen)
  t.deepEqual([seen.map.get('b').deep[1], seen.set.size, seen.list[0], seen.record.a, seen.record.b, seen.sorted.first()], [2, 2, 1, 1, undefined, ['a', 1]])
  t.not(seen, root)
  store.root = null
  await store.gc()
  t.deepEqual(objects.toPlain(snapshot.root), before)
  snapshot.close()
})

test.serial('a snapshot is not changed', (t) => {
  const store = open(t, rich)
  const snapshot = store.snapshot()
  t.teardown(() => snapshot.close())
  const { map, set, list, record, sorted } = snapshot.root
  const changes: (() => unknown)[] = [
    () => map.set('c', 1), () => map.delete('a'), () => map.clear(), () => map.setMany([['c', 1]]), () => set.add(3), () => set.delete(1), () => set.clear(),
    () => list.push(1), () => list.pop(), () => list.sort(), () => (list[0] = 2), () => (list.length = 1), () => list.splice(0, 1), () => list.unshift(0),
    () => (record.a = 2), () => (record.b = 2), () => delete record.a, () => Object.assign(record, { a: 5 }),
    () => sorted.set('c', 1), () => sorted.delete('a'), () => sorted.clear(), () => map.getOrInsert('c', 1),
  ]
  for (const change of changes) throws(t, { code: 'EROFS', path: store.path, says: 'a snapshot stays as it is' }, change, String(change))
  t.is((snapshot as any).transaction, undefined)
  t.is(map.getOrInsert('a', 7), 1)
})

test.serial('an object of a snapshot is refused by its store, and its plain copy is not', (t) => {
  const store = open(t, rich)
  const snapshot = store.snapshot()
  const { record } = snapshot.root
  throws(t, { code: 'ERR_PMEM_UNCLONEABLE', says: 'toPlain' }, () => store.root.map.set('c', record))
  throws(t, { code: 'ERR_PMEM_UNCLONEABLE', says: 'root.list[3].deep' }, () => store.root.list.push({ deep: record }))
  throws(t, 'ERR_PMEM_UNCLONEABLE', () => (store.root = snapshot.root))
  throws(t, 'ERR_PMEM_UNCLONEABLE', () => store.root.map.set(record, 1))
  t.false(store.root.map.has(record))
  store.root.map.set('c', objects.toPlain(record))
  t.is(store.root.map.get('c').a, 1)
  snapshot.close()
})

test.serial('a closed snapshot says so, and closing it again does nothing', async (t) => {
  const store = open(t, rich)
  const snapshot = store.snapshot()
  const { map, list } = snapshot.root
  t.deepEqual([store.stats().snapshots, snapshot.closed, snapshot.path], [1, false, store.path])
  snapshot.close()
  snapshot.close()
  t.deepEqual([store.stats().snapshots, snapshot.closed], [0, true])
  for (const use of [() => snapshot.root, () => map.size, () => list[0], () => objects.toPlain(map)]) throws(t, { code: 'ERR_PMEM_CLOSED', says: 'snapshot' }, use)
  {
    using other = store.snapshot()
    t.is(other.root.record.a, 1)
    t.is(store.stats().snapshots, 1)
  }
  {
    await using other = store.snapshot()
    t.is(other.root.record.a, 1)
  }
  t.is(store.stats().snapshots, 0)
})

test.serial('a snapshot outlives its store, and both are closed then', (t) => {
  const store = open(t, rich)
  const snapshot = store.snapshot()
  store.close()
  t.is(snapshot.root.record.a, 1)
  snapshot.close()
  const again = reopened(t, store)
  t.is(again.root.record.a, 1)
})

test.serial('a snapshot that nobody holds any more is closed', async (t) => {
  const store = open(t, rich)
  const take = () => store.snapshot().root.record.a as number
  t.is(take(), 1)
  await collect()
  t.is(store.stats().snapshots, 0)
})

test.serial('10,000 overwrites leave a snapshot as it was, and its space comes back once it is closed', async (t) => {
  const store = open(t, () => new Map<string, any>(), { durability: 'group' })
  const { root } = store
  const names = Array.from({ length: 1000 }, (_, index) => `${index}`)
  const text = (name: string, round: number) => `${name} of ${round} `.padEnd(400, 'x')
  store.transaction(() => names.forEach((name) => root.set(name, text(name, 0))))
  await settle(store)
  const { used } = store.stats()
  const snapshot = store.snapshot()
  for (let round = 1; round <= 10; round += 1) {
    for (const name of names) root.set(name, text(name, round))
    await turn()
  }
  for (const name of names) if (snapshot.root.get(name) !== text(name, 0)) t.fail(name)
  t.is(snapshot.root.size, 1000)
  await settle(store)
  t.true(store.stats().pinned > 300_000, `${store.stats().pinned}`)
  for (const name of names) if (snapshot.root.get(name) !== text(name, 0)) t.fail(name)
  snapshot.close()
  await settle(store)
  const { used: after, pinned } = store.stats()
  t.true(pinned < 200_000, `${pinned}`)
  t.true(after < used + 500_000, `${after - used}`)
  t.deepEqual([...root.values()], names.map((name) => text(name, 10)))
})

test.serial('snapshots of several commits are each of theirs', (t) => {
  const store = open(t, () => new Map<string, any>())
  const snapshots = Array.from({ length: 20 }, (_, index) => {
    store.root.set('index', index).set(`${index}`, { index })
    return store.snapshot()
  })
  store.root.clear()
  t.is(store.stats().snapshots, 20)
  for (const [index, { root }] of snapshots.entries()) t.deepEqual([root.get('index'), root.size, root.get(`${index}`).index], [index, index + 2, index])
  for (const snapshot of snapshots.toReversed()) snapshot.close()
  t.is(store.stats().snapshots, 0)
})

// Statistics

test.serial('stats count bytes and what was done', (t) => {
  const store = open(t, make)
  const before = store.stats()
  t.deepEqual(Object.keys(before).toSorted(), ['commits', 'free', 'log', 'pinned', 'size', 'snapshots', 'used', 'waits'])
  for (const [name, value] of Object.entries(before)) t.true(Number.isInteger(value) && value >= 0, name)
  for (let index = 0; index < 10; index += 1) store.root.set(index, index)
  store.transaction(() => store.root.set('a', 1).set('b', 2))
  t.throws(() => store.transaction(() => {
    store.root.set('c', 1)
    throw new RangeError()
  }))
  const after = store.stats()
  t.is(after.commits, before.commits + 11)
  t.true(after.log > before.log)
  t.is(after.used + after.free, after.size)
  store.close()
  throws(t, 'ERR_PMEM_CLOSED', () => store.stats())
})
