/** Files of stores: opened, refused, damaged, full, copied, and brought from one version to the next. */

import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { journal, objects } from 'pmem'
import { type FileSystem, onSmall, smallDisk } from './helpers/disks.js'
import { rejects, throws } from './helpers/errors.js'
import { file, folder } from './helpers/files.js'
import { type AnyStore, Other, open, reopened, turn } from './helpers/objects-threads.js'

const rich = (store: objects.Store<null>) => ({
  map: new Map<any, any>([['a', 1], [1, { deep: [1, 2] }]]),
  set: new Set<any>(['a', 1]),
  list: [1, 'two', [3]] as any[],
  record: { a: 1, b: 'x', c: new Date(5), d: Uint8Array.of(1, 2) } as any,
  sorted: store.sortedMap<any, any>([['a', 1], [['b', 1], 2]]),
})

/** A closed store of this content. */
function closedStore(t: ExecutionContext, root: (store: objects.Store<null>) => unknown = rich): string {
  const store = open(t, root)
  store.close()
  return store.path
}

// Opening

test('a store is made where there is none, and is opened where there is one', (t) => {
  const path = join(folder(t), 'store')
  const store = open(t, () => ({ a: 1 }), {}, path)
  store.root.a = 2
  t.deepEqual([store.path, store.readonly, store.closed, store.version], [path, false, false, 0])
  store.close()
  let called = false
  const again = open(t, () => {
    called = true
    return { a: 1 }
  }, {}, path)
  t.deepEqual([again.root.a, called], [2, false])
})

test('without a root the root is null until it is set, to anything that can be stored', (t) => {
  const path = join(folder(t), 'store')
  let store = open(t, undefined, {}, path)
  t.is(store.root, null)
  for (const [value, expected = value] of [[1], ['x'], [undefined], [null], [[1]], [{ a: 1 }], [new Map([[1, 1]])], [new Date(5)], [10n ** 30n]] as [unknown, unknown?][]) {
    store.root = value
    t.deepEqual(objects.toPlain(store.root), expected)
    store.close()
    store = open(t, undefined, {}, path)
    t.deepEqual(objects.toPlain(store.root), expected)
  }
})

test('a missing file is ENOENT without create, and so is a missing folder', (t) => {
  const path = join(folder(t), 'store')
  for (const options of [{ create: false }, { readonly: true }, { readonly: true, create: false }]) {
    throws(t, { code: 'ENOENT', syscall: 'open', path }, () => objects.open(path, options))
  }
  throws(t, { code: 'ENOENT', syscall: 'open', path }, () => objects.check(path))
  t.throws(() => objects.open(join(path, 'deep')), { code: 'ENOENT', message: /make the folder first/ })
  t.false(existsSync(path))
})

test('paths are strings, Buffers and file URLs', (t) => {
  const path = join(folder(t), 'a store ü')
  for (const form of [path, Buffer.from(path), pathToFileURL(path), new Uint8Array(Buffer.from(path))]) {
    const store = objects.open<any>(form as never, { root: () => ({ count: 0 }) })
    store.root.count += 1
    t.is(store.path, path)
    store.close()
  }
  t.is(open(t, undefined, {}, path).root.count, 4)
})

test('the permissions of a new file are those of mode', (t) => {
  const path = join(folder(t), 'store')
  open(t, undefined, { mode: 0o600 }, path)
  t.is(statSync(path).mode & 0o777, 0o600)
})

test('a readonly store is read, and each change of it is EROFS', async (t) => {
  const path = closedStore(t)
  const before = readFileSync(path)
  const store = open(t, undefined, { readonly: true }, path)
  t.true(store.readonly)
  const { map, set, list, record, sorted } = store.root
  t.deepEqual([map.get(1).deep[1], set.has('a'), list[2][0], record.d[1], sorted.last()], [2, true, 3, 2, [['b', 1], 2]])
  const changes: (() => unknown)[] = [
    () => map.set('b', 1), () => set.add(2), () => list.push(1), () => list.sort(), () => (list.length = 0), () => (record.a = 2), () => delete record.a, () => sorted.set('c', 1),
    () => (store.root = 1), () => store.map(), () => store.set(), () => store.array(), () => store.object({}), () => store.sortedMap(), () => store.transaction(() => t.fail()),
  ]
  for (const change of changes) throws(t, { code: 'EROFS', path }, change, String(change))
  await rejects(t, { code: 'EROFS', path }, () => store.transactionAsync(() => t.fail()))
  const snapshot = store.snapshot()
  t.is(snapshot.root.record.a, 1)
  snapshot.close()
  const copy = join(folder(t), 'copy')
  await store.backup(copy)
  store.close()
  t.true(readFileSync(path).equals(before))
  t.is(open(t, undefined, {}, copy).root.record.a, 1)
})

test('a file that may only be read is opened readonly alone', (t) => {
  const path = closedStore(t)
  chmodSync(path, 0o444)
  if (process.getuid?.() !== 0) t.throws(() => objects.open(path), { code: 'EACCES' })
  t.is(open(t, undefined, { readonly: true }, path).root.record.a, 1)
})

test('a symbolic link leads to its store', (t) => {
  const path = closedStore(t)
  const link = join(folder(t), 'link')
  symlinkSync(path, link)
  const [one, other] = [open(t, undefined, {}, path), open(t, undefined, {}, link)]
  one.root.record.a = 7
  other.refresh()
  t.is(other.root.record.a, 7)
})

test('two openings of one process share the store', async (t) => {
  const store = open(t, rich)
  const second = reopened(t, store)
  t.is(second.root.record.a, 1)
  store.root.record.a = 2
  await turn()
  t.is(second.root.record.a, 2)
  t.not(second.root, store.root)
  throws(t, { code: 'ERR_PMEM_UNCLONEABLE', says: 'another store' }, () => second.root.list.push(store.root.map))
  store.close()
  second.root.record.a = 3
  second.close()
  t.is(reopened(t, store).root.record.a, 3)
})

test('openings of one process that differ in what is shared are refused', (t) => {
  const store = open(t, rich)
  for (const options of [{ readonly: true }, { durability: 'group' }] as const) {
    throws(t, { code: 'ERR_INVALID_ARG_VALUE', says: 'is open in this process' }, () => objects.open(store.path, options))
  }
  store.close()
  // Who only reads has no durability.
  for (const durability of ['group', 'commit'] as const) t.true(open(t, undefined, { readonly: true, durability }, store.path).readonly)
  t.true(objects.check(store.path).sound)
})

test('a store that was not opened after all is closed', (t) => {
  const path = closedStore(t)
  const bad = () => objects.open(path, { version: 1, upgrade: () => { throw new RangeError() } })
  t.throws(bad, { instanceOf: RangeError })
  // Otherwise this one would differ from one that is open.
  t.true(open(t, undefined, { readonly: true }, path).readonly)
})

test('closing again does nothing, and what is used after the close says that it is closed', async (t) => {
  const store = open(t, rich)
  const { map, list, record } = store.root
  store.close()
  store.close()
  t.true(store.closed)
  t.false(store.inTransaction)
  t.is(store.path, store.path)
  const uses: (() => unknown)[] = [
    () => store.root, () => (store.root = 1), () => store.version, () => store.map(), () => store.set(), () => store.array(), () => store.object({}), () => store.sortedMap(),
    () => store.transaction(() => t.fail()), () => store.refresh(), () => store.snapshot(), () => store.stats(), () => store.watch(map, () => {}),
    () => map.size, () => map.get('a'), () => map.set('a', 1), () => list.length, () => list.push(1), () => record.a, () => (record.a = 1), () => Object.keys(record),
  ]
  for (const use of uses) throws(t, { code: 'ERR_PMEM_CLOSED', says: store.path }, use, String(use))
  for (const use of [() => store.transactionAsync(() => t.fail()), () => store.flushed(), () => store.gc(), () => store.backup(`${store.path}.copy`), () => store.compact(`${store.path}.copy`)]) {
    await rejects(t, 'ERR_PMEM_CLOSED', use as () => Promise<unknown>, String(use))
  }
  t.false(existsSync(`${store.path}.copy`))
})

test('using closes it', async (t) => {
  const path = closedStore(t)
  let kept: AnyStore
  {
    using store = objects.open<any>(path)
    kept = store
    t.false(store.closed)
  }
  t.true(kept.closed)
  {
    await using store = objects.open<any>(path)
    kept = store
  }
  t.true(kept.closed)
})

test('a close beside work of other threads of the pool lets that come to its end', async (t) => {
  const store = open(t, rich)
  const copy = join(folder(t), 'copy')
  const work = Promise.all([store.gc(), store.backup(copy)])
  store.close()
  await work
  t.is(open(t, undefined, {}, copy).root.record.a, 1)
  t.is(reopened(t, store).root.record.a, 1)
})

// Flushes begin with the next turn, when it is closed.
test('a close beside flushed and transactionAsync lets these come to their end', async (t) => {
  const store = open(t, rich, { durability: 'group' })
  const work = Promise.all([store.transactionAsync(() => (store.root.record.a = 2)), store.flushed()])
  store.close()
  await t.notThrowsAsync(work)
})

// Arguments

test('wrong arguments are refused, and nothing is made', async (t) => {
  const path = join(folder(t), 'store')
  const cases: [code: string, says: string, options: unknown][] = [
    ['ERR_INVALID_ARG_TYPE', '"options"', 5],
    ['ERR_INVALID_ARG_TYPE', '"options"', 'x'],
    ['ERR_INVALID_ARG_VALUE', 'options.rot', { rot: 1 }],
    ['ERR_INVALID_ARG_TYPE', '"root"', { root: {} }],
    ['ERR_INVALID_ARG_TYPE', '"create"', { create: 1 }],
    ['ERR_INVALID_ARG_TYPE', '"readonly"', { readonly: 'x' }],
    ['ERR_INVALID_ARG_VALUE', 'options.readonly', { readonly: true, create: true }],
    ['ERR_INVALID_ARG_TYPE', '"classes"', { classes: 'x' }],
    ['ERR_INVALID_ARG_TYPE', '"classes"', { classes: null }],
    ['ERR_INVALID_ARG_TYPE', '"mode"', { mode: '600' }],
    ['ERR_OUT_OF_RANGE', '"mode"', { mode: 0o10000 }],
    ['ERR_INVALID_ARG_VALUE', 'options.durability', { durability: 'none' }],
    ['ERR_INVALID_ARG_VALUE', 'options.durability', { durability: true }],
    ['ERR_OUT_OF_RANGE', '"busyTimeout"', { busyTimeout: -1 }],
    ['ERR_OUT_OF_RANGE', '"busyTimeout"', { busyTimeout: 2 ** 31 }],
    ['ERR_OUT_OF_RANGE', '"busyTimeout"', { busyTimeout: NaN }],
    ['ERR_INVALID_ARG_TYPE', '"busyTimeout"', { busyTimeout: '1' }],
    ['ERR_OUT_OF_RANGE', '"maxSize"', { maxSize: 0 }],
    ['ERR_OUT_OF_RANGE', '"maxSize" is out of range. It must be >= 17379328', { maxSize: 1 }],
    ['ERR_OUT_OF_RANGE', '"maxSize"', { maxSize: 17379327 }],
    ['ERR_INVALID_ARG_TYPE', '"maxSize"', { maxSize: 'x' }],
    ['ERR_OUT_OF_RANGE', '"version"', { version: -1 }],
    ['ERR_OUT_OF_RANGE', '"version"', { version: 2 ** 32 }],
    ['ERR_OUT_OF_RANGE', '"version"', { version: 0.5 }],
    ['ERR_INVALID_ARG_TYPE', '"version"', { version: '1' }],
    ['ERR_INVALID_ARG_TYPE', '"upgrade"', { upgrade: 1 }],
  ]
  for (const [code, says, options] of cases) throws(t, { code, says }, () => objects.open(path, options as never), JSON.stringify(options))
  t.false(existsSync(path))
  for (const bad of [undefined, null, 1, {}, [], true, Symbol('s')]) {
    throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"path"' }, () => objects.open(bad as never))
    throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"path"' }, () => objects.check(bad as never))
  }
  for (const bad of ['', 'a\0b']) throws(t, { code: 'ERR_INVALID_ARG_VALUE', says: '"path"' }, () => objects.open(bad))
  const store = open(t, rich)
  for (const bad of [undefined, 1, {}, '']) {
    const code = bad === '' ? 'ERR_INVALID_ARG_VALUE' : 'ERR_INVALID_ARG_TYPE'
    await rejects(t, { code, says: '"path"' }, () => store.backup(bad as never))
    await rejects(t, { code, says: '"path"' }, () => store.compact(bad as never))
  }
  for (const bad of [1, 'x', null, {}, new Map(), () => 1]) {
    throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"container"' }, () => store.watch(bad as never, () => {}))
  }
  throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"callback"' }, () => store.watch(store.root, 1 as never))
  for (const bad of [1, 'x', null, undefined, true, 1n]) throws(t, 'ERR_INVALID_ARG_TYPE', () => store.object(bad as never), String(bad))
  for (const Class of [objects.Store, objects.Snapshot] as any[]) t.throws(() => new Class(), { code: 'ERR_ILLEGAL_CONSTRUCTOR' })
})

// Files that are none

test('what is no store is ERR_PMEM_CORRUPT, and stays as it is', (t) => {
  const contents = ['', 'x', 'hello'.repeat(2000), Buffer.alloc(4096), Buffer.alloc(20 << 20), Buffer.alloc(65_536, 255)]
  for (const content of contents) {
    const path = file(t, content)
    const before = readFileSync(path)
    for (const options of [{}, { create: false }, { readonly: true }, { root: () => 1 }]) throws(t, { code: 'ERR_PMEM_CORRUPT', says: path }, () => objects.open(path, options))
    throws(t, { code: 'ERR_PMEM_CORRUPT', says: path }, () => objects.check(path))
    t.true(readFileSync(path).equals(before))
  }
  throws(t, { code: 'EISDIR', syscall: 'open', path: '/' }, () => objects.open('/'))
})

test('files of the package that are no stores are refused', (t) => {
  const path = join(folder(t), 'journal')
  journal.open(path, { segmentSize: 65_536 }).close()
  for (const name of readdirSync(path)) {
    const segment = join(path, name)
    if (statSync(segment).size > 0) t.throws(() => objects.open(segment), { code: 'ERR_PMEM_CORRUPT' }, name)
  }
})

test('a store that was cut is ERR_PMEM_CORRUPT, or has all that it had', (t) => {
  const path = closedStore(t)
  const { size } = statSync(path)
  let refused = 0
  for (const length of [1, 100, 4095, 4096, 8192, 65_536, 1 << 20, 16 << 20, 17 << 20, size - 1_000_000, size - 4096, size - 1]) {
    const copy = join(folder(t), 'copy')
    copyFileSync(path, copy)
    truncateSync(copy, length)
    try {
      const store = objects.open<any>(copy, { create: false })
      t.deepEqual(describe(store.root), describeRich, `${length}`)
      store.close()
    } catch (error) {
      t.is((error as NodeJS.ErrnoException).code, 'ERR_PMEM_CORRUPT', `${length}: ${String(error)}`)
      refused += 1
    }
  }
  t.true(refused >= 8, `${refused}`)
})

function describe({ map, set, list, record, sorted }: any): unknown[] {
  return [map.get('a'), map.get(1).deep[1], [...set], list[1], list[2][0], record.a, record.b, +record.c, [...record.d], [...sorted].length, sorted.get(['b', 1])]
}
const describeRich = [1, 2, ['a', 1], 'two', 3, 1, 'x', 5, [1, 2], 2, 2]

const DAMAGES = Number(process.env['PMEM_TEST_DAMAGES'] ?? 300)

test(`in ${DAMAGES} damaged copies there is what was stored, or ERR_PMEM_CORRUPT`, async (t) => {
  t.timeout(60_000 + DAMAGES * 1000)
  const text = (index: number) => `${index} `.repeat(1 + (index % 50))
  const build = open(t, () => new Map<any, any>())
  for (let index = 0; index < 300; index += 1) {
    build.root.set(index, text(index))
    build.root.set(`object ${index}`, { index, list: [index, text(index)], inner: new Set([index]) })
  }
  build.root.set('large', 'x'.repeat(100_000))
  build.close()
  const path = build.path
  const whole = readFileSync(path)
  // Where something is: most of the file is the log's zeros.
  const places: number[] = []
  for (let page = 0; page < whole.length; page += 512) if (whole.subarray(page, page + 512).some((byte) => byte !== 0)) places.push(page)
  const counts = { opened: 0, refused: 0, reads: 0, lost: 0 }
  const copy = join(folder(t), 'copy')
  writeFileSync(copy, whole)
  const isCorrupt = (error: unknown): boolean => {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ERR_PMEM_CORRUPT') t.fail(`${code}: ${String((error as Error).stack)}`)
    return true
  }
  let seed = 12_345
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff
    return Math.floor((seed / 0x80000000) * below)
  }
  for (let round = 0; round < DAMAGES; round += 1) {
    const bytes = Buffer.from(whole)
    for (let count = 1 + random(round % 3 === 0 ? 50 : 3); count > 0; count -= 1) {
      const at = places[random(places.length)]! + random(512)
      if (round % 2 === 0) bytes[at] = random(256)
      else bytes.fill(random(2) * 255, at, at + random(4096))
    }
    writeFileSync(copy, bytes)
    let store: AnyStore
    try {
      store = objects.open<any>(copy, { create: false, readonly: round % 2 === 0 })
      counts.opened += 1
    } catch (error) {
      isCorrupt(error)
      counts.refused += 1
      continue
    }
    const read = <T>(work: () => T, check: (value: T) => boolean, what: string) => {
      counts.reads += 1
      let value: T
      try {
        value = work()
      } catch (error) {
        isCorrupt(error)
        counts.lost += 1
        return
      }
      if (!check(value)) t.fail(`${round}: ${what} is ${String(value)}`)
    }
    let root: any
    read(() => (root = store.root), (value) => value !== null, 'the root')
    if (root) {
      read(() => root.size as number, (size) => size === 601, 'the size')
      for (let index = 0; index < 300; index += 17) {
        read(() => root.get(index) as string, (value) => value === text(index), `${index}`)
        read(() => root.get(`object ${index}`).list[1] as string, (value) => value === text(index), `object ${index}`)
        read(() => root.get(`object ${index}`).inner.has(index) as boolean, (value) => value, `the set of ${index}`)
      }
      read(() => root.get('large').length as number, (length) => length === 100_000, 'the large one')
      read(() => [...root.keys()].length, (length) => length === 601, 'all keys')
      read(() => (objects.toPlain(root) as Map<any, any>).size, (size) => size === 601, 'the plain copy')
      if (!store.readonly) {
        try {
          root.set('more', 1)
          root.delete(5)
          await store.gc()
        } catch (error) {
          isCorrupt(error)
        }
      }
    }
    try {
      store.close()
    } catch (error) {
      isCorrupt(error)
    }
    try {
      objects.check(copy)
    } catch (error) {
      isCorrupt(error)
    }
  }
  t.log(JSON.stringify(counts))
  t.true(counts.opened > DAMAGES / 10 && counts.refused + counts.lost > DAMAGES / 10, JSON.stringify(counts))
})

test('check tells what of a store is damaged, and changes nothing', (t) => {
  const path = closedStore(t)
  const sound = objects.check(path)
  t.true(sound.sound)
  t.false('damage' in sound)
  t.is(sound.containers, 9)
  t.true(sound.entries >= 10)
})

// Room

for (const kind of ['tmpfs', 'ext4'] as FileSystem[]) {
  onSmall(kind)(`on a full ${kind} a change is ENOSPC and nothing is changed`, (t) => {
    const store = open(t, () => new Map<any, any>([['keep', { a: 1 }]]), {}, join(smallDisk(t, kind, 24), 'store'))
    const { root } = store
    let stored = 0
    const { code, path } = t.throws<NodeJS.ErrnoException>(() => {
      for (;; stored += 1) root.set(stored, { index: stored, text: `${stored}`.padEnd(10_000, 'x') })
    })
    t.deepEqual([code, path], ['ENOSPC', store.path])
    t.true(stored > 50, `${stored}`)
    t.deepEqual([root.size, root.has(stored), root.get(stored - 1).index, root.get('keep').a], [stored + 1, false, stored - 1, 1])
    for (let times = 0; times < 3; times += 1) t.throws(() => root.set('again', 'x'.repeat(1_000_000)), { code: 'ENOSPC' })
    t.is(root.size, stored + 1)
  })
}

test('a full store can be emptied, and filled again, twenty times', (t) => {
  let store = open(t, () => new Map<any, any>(), { maxSize: 20 << 20 })
  const counts: number[] = []
  for (let round = 0; round < 20; round += 1) {
    const { root } = store
    let stored = 0
    t.throws(() => {
      for (;; stored += 1) root.set(stored, { index: stored, text: `${stored}`.padEnd(10_000, 'x') })
    }, { code: 'ENOSPC' })
    counts.push(stored)
    t.is(root.size, stored)
    if (round % 2 === 0) for (let index = 0; index < stored; index += 1) root.delete(index)
    else root.clear()
    t.is(root.size, 0)
    if (round % 5 === 4) {
      store.close()
      store = reopened(t, store, { maxSize: 20 << 20 })
    }
  }
  t.true(Math.min(...counts) > counts[0]! * 0.9, counts.join(', '))
})

test('the smallest maxSize is enough for a root, and one below that is no limit for a store that is there', (t) => {
  const store = open(t, () => new Map<any, any>([['a', 1]]), { maxSize: 17379328 })
  t.is(store.stats().size, 17379328)
  store.close()
  const again = reopened(t, store, { maxSize: 1 })
  t.is(again.root.get('a'), 1)
  throws(t, { code: 'ENOSPC', path: store.path }, () => again.root.set('b', 'x'.repeat(1 << 20)))
})

test('who opens a store that is open takes its maxSize, and is refused with another one', (t) => {
  const maxSize = 20 << 20
  const store = open(t, () => new Map<any, any>(), { maxSize })
  for (const options of [{}, { maxSize }]) reopened(t, store, options).close()
  throws(t, { code: 'ERR_INVALID_ARG_VALUE', says: 'another readonly, durability or maxSize' }, () => reopened(t, store, { maxSize: maxSize + 1 }))
  const unlimited = open(t, () => new Map<any, any>())
  throws(t, { code: 'ERR_INVALID_ARG_VALUE', says: 'maxSize' }, () => reopened(t, unlimited, { maxSize }))
  store.root.set('a', 1)
  t.is(store.root.get('a'), 1)
})

test('a store grows up to maxSize and not beyond', (t) => {
  const maxSize = 19 << 20
  const store = open(t, () => new Map<any, any>(), { maxSize })
  t.throws(() => {
    for (let index = 0; ; index += 1) store.root.set(index, `${index}`.padEnd(1000, 'x'))
  }, { code: 'ENOSPC' })
  t.true(statSync(store.path).size <= maxSize, `${statSync(store.path).size}`)
  t.true(store.stats().size <= maxSize)
})

// Copies

test('a backup is of one commit, is made beside changes, and opens as a store', async (t) => {
  const store = open(t, () => ({ a: 0, b: 0, list: Array.from({ length: 20_000 }, (_, index) => `${index}`.padEnd(100)) }))
  const other = new Other(t, store.path)
  const running = other.run(async (store) => {
    for (let index = 1; index <= 300; index += 1) {
      store.transaction(() => {
        store.root.a = index
        store.root.b = index
        store.root.list[index] = 'changed'
      })
      if (index % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    }
  })
  const copies = Array.from({ length: 4 }, (_, index) => `${store.path}.${index}`)
  for (const copy of copies) await store.backup(copy)
  await running
  for (const path of copies) {
    const copy = open(t, undefined, { create: false }, path)
    const { a, b, list } = copy.root
    t.is(a, b)
    t.is(list.filter((item: string) => item === 'changed').length, a)
    t.is(list.length, 20_000)
    copy.close()
  }
})

for (const how of ['backup', 'compact'] as const) {
  test(`what ${how} makes has all entries by their keys, and is sound`, async (t) => {
    const store = open(t, rich)
    const path = `${store.path}.copy`
    await store[how](path)
    t.true(objects.check(path).sound)
    const copy = open(t, undefined, { create: false }, path)
    t.deepEqual(describe(copy.root), describeRich)
    copy.root.map.set('a', 2)
    t.is(copy.root.map.size, 2)
    // It is a store of its own.
    t.is(store.root.map.get('a'), 1)
  })

  test(`${how} is refused where there is something, and leaves nothing where it fails`, async (t) => {
    const store = open(t, rich)
    const there = file(t, 'there')
    await rejects(t, { code: 'EEXIST', syscall: 'open', path: there }, () => store[how](there))
    t.is(readFileSync(there, 'utf8'), 'there')
    await rejects(t, { code: 'EEXIST', syscall: 'open', path: store.path }, () => store[how](store.path))
    const missing = join(folder(t), 'no/where')
    await t.throwsAsync(store[how](missing), { code: 'ENOENT' })
    t.false(existsSync(missing))
    t.deepEqual(describe(store.root), describeRich)
  })

  test(`${how} takes Buffers and URLs`, async (t) => {
    const store = open(t, rich)
    const there = folder(t)
    await store[how](Buffer.from(join(there, 'one')))
    await store[how](pathToFileURL(join(there, 'two')))
    t.deepEqual(readdirSync(there).toSorted(), ['one', 'two'])
    for (const name of ['one', 'two']) t.is(open(t, undefined, {}, join(there, name)).root.record.b, 'x')
  })
}

test('compact frees circles before, and its copy is smaller than a store that was much larger', async (t) => {
  const store = open(t, () => new Map<any, any>())
  for (let index = 0; index < 500; index += 1) store.root.set(index, 'x'.repeat(20_000))
  for (let index = 5; index < 500; index += 1) store.root.delete(index)
  const path = `${store.path}.copy`
  await store.compact(path)
  t.true(statSync(path).size < statSync(store.path).size, `${statSync(path).size} and ${statSync(store.path).size}`)
  t.is(open(t, undefined, {}, path).root.size, 5)
})

test('a copy of the closed file is a store with the same content, also in another folder', (t) => {
  const path = closedStore(t)
  const there = join(folder(t), 'deep')
  mkdirSync(there)
  copyFileSync(path, join(there, 'copy'))
  const [one, other] = [open(t, undefined, {}, path), open(t, undefined, {}, join(there, 'copy'))]
  one.root.record.a = 5
  t.deepEqual(describe(other.root), describeRich)
  throws(t, 'ERR_PMEM_UNCLONEABLE', () => other.root.list.push(one.root.map))
})

test('a copy of the file while it is open is what was committed, as after a crash', (t) => {
  const store = open(t, rich)
  store.root.record.a = 2
  for (let index = 0; index < 500; index += 1) store.root.map.set(`more ${index}`, { index })
  const copy = join(folder(t), 'copy')
  copyFileSync(store.path, copy)
  store.root.record.a = 3
  const restored = open(t, undefined, {}, copy)
  t.is(restored.root.record.a, 2)
  t.is(restored.root.map.get('more 499').index, 499)
  t.is(restored.root.map.size, 502)
})

// Versions

test('upgrade runs once, in a transaction, for a store of an earlier version', (t) => {
  const path = closedStore(t, () => ({ users: [{ name: 'ada' }] }))
  const calls: number[] = []
  const upgrade = (store: any, from: number) => {
    calls.push(from)
    t.true(store.inTransaction)
    for (const user of store.root.users) user.visits = from
  }
  let store = open(t, undefined, { version: 3, upgrade }, path)
  t.deepEqual([calls, store.version, store.root.users[0].visits], [[0], 3, 0])
  store.close()
  store = open(t, undefined, { version: 3, upgrade }, path)
  t.deepEqual([calls, store.version], [[0], 3])
  store.close()
  store = open(t, undefined, { version: 4, upgrade }, path)
  t.deepEqual([calls, store.version, store.root.users[0].visits], [[0, 3], 4, 3])
})

test('a new store is of the version that it is made with, and nothing is upgraded', (t) => {
  const store = open(t, () => ({ a: 1 }), { version: 7, upgrade: () => t.fail() })
  t.is(store.version, 7)
  store.close()
  t.is(reopened(t, store, { version: 7, upgrade: () => t.fail() }).version, 7)
})

test('an upgrade that throws, or is asynchronous, changes nothing', (t) => {
  const path = closedStore(t, () => ({ a: 1 }))
  const thrown = new RangeError()
  const upgrade = (store: any) => {
    store.root.a = 2
    store.root.b = 3
    throw thrown
  }
  t.is(t.throws(() => objects.open(path, { version: 1, upgrade })), thrown)
  let ran = 0
  const later: ((store: any) => unknown)[] = [
    async (store) => (ran += store.root.a = 5),
    (store) => {
      store.root.a = 6
      return Promise.resolve()
    },
  ]
  for (const upgrade of later) throws(t, 'ERR_PMEM_ASYNC', () => objects.open(path, { version: 1, upgrade: upgrade as never }))
  t.is(ran, 0)
  const store = open(t, undefined, {}, path)
  t.deepEqual([store.version, { ...store.root }], [0, { a: 1 }])
})

test('a store of a later version is refused, and stays as it is', (t) => {
  const path = closedStore(t, () => ({ a: 1 }))
  open(t, undefined, { version: 5 }, path).close()
  for (const options of [{}, { version: 4 }, { version: 4, upgrade: () => t.fail() }, { readonly: true }]) {
    const error = t.throws<NodeJS.ErrnoException>(() => objects.open(path, options), { code: 'ERR_PMEM_VERSION' })
    t.regex(error.message, /version 5/)
  }
  // To read it, it would have to be upgraded.
  throws(t, { code: 'ERR_PMEM_VERSION', path, says: 'version 5' }, () => objects.open(path, { readonly: true, version: 9 }))
  t.is(open(t, undefined, { version: 5 }, path).root.a, 1)
})
