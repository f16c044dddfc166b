/** What the types say. That this compiles is most of the test. */

import { join } from 'node:path'
import test from 'ava'
import pino from 'pino'
import { type EngineName, type PmemErrorCode, capabilities, journal, objects, pmem } from 'pmem'
import { open } from 'pmem/journal'
import destination, { type Destination } from 'pmem/pino'
import { file, folder } from './helpers/files.js'
import { journalFolder } from './helpers/journals.js'

class Counters extends Int32Array {
  increment(index: number): void {
    this[index] = (this[index] ?? 0) + 1
  }
}

test('views are of the class that was asked for, over the memory that there is', (t) => {
  const path = file(t, 65_536)
  using region: pmem.Region = pmem.map(path)
  const numbers: Int32Array<ArrayBuffer> = region.view(Int32Array)
  const data: DataView<ArrayBuffer> = region.view(DataView)
  region.view(Counters).increment(0)
  t.is(numbers[0], 1)
  t.is(data.getInt8(0), 1)

  using shared: pmem.Region<SharedArrayBuffer> = pmem.map(path, undefined, { shared: true })
  const counts: Int32Array<SharedArrayBuffer> = shared.view(Int32Array)
  const bytes: DataView<SharedArrayBuffer> = shared.view(DataView)
  const attached: pmem.Region<SharedArrayBuffer> = pmem.attach(shared.buffer)
  for (const any of [region, shared, attached] as pmem.AnyRegion[]) pmem.persist(any)
  new pmem.FlushContext(attached).run((given) => Atomics.add(given.view(BigInt64Array), 1, 1n))
  t.is(counts[0], 1)
  t.is(bytes.getInt8(8), 1)
})

test('capabilities name the engines that calls take', (t) => {
  const engines: readonly EngineName[] = capabilities.engines
  t.true(engines.includes('rust'))
})

test('calls of journals take and give what they say', async (t) => {
  const path = journalFolder(t)
  using events: journal.Journal = open(path, { segmentSize: 1n << 20n, maxAge: 1000 })
  const sequence: number = events.append(JSON.stringify({ a: 1 }), { expected: 0n, durable: true })
  const promises: Promise<number>[] = [events.appendAsync(Buffer.of(1)), events.appendManyAsync(new Set(['a', 'b']))]
  t.deepEqual([sequence, ...(await Promise.all(promises))], [0, 1, 2])
  const record: journal.JournalRecord | undefined = events.get(0)
  const value: { a: number } | undefined = record?.json<{ a: number }>()
  t.is(value?.a, 1)
  // @ts-expect-error -- what is in a record is not known
  t.is(record?.json().a, 1)
  const iterable: Iterable<journal.JournalRecord> = events.read({ from: new Date(0) })
  t.is([...iterable].length, 4)
  const following: AsyncIterable<journal.JournalRecord> = events.follow({ signal: new AbortController().signal })
  for await (const { data, time } of following) {
    const [bytes, date]: [Buffer, Date] = [data, time]
    t.true(bytes.length > 0 && date.getTime() > 0)
    break
  }
  const cursor: journal.Cursor = events.cursor('name')
  cursor.commit(1n, { force: true })
  const controller = new AbortController()
  const { signal } = controller
  const done = () => controller.abort('done')
  await events.consume('one', (one) => one.sequence === 3 && done(), { signal }).catch(() => {})
  await events.consume('many', (many) => many.map((one) => one.text()), { batch: 10, signal }).catch(() => {})
  const report: journal.Report = journal.check(path)
  const damage: readonly journal.Damage[] | undefined = report.damage
  const codes: PmemErrorCode[] = ['ERR_PMEM_CONFLICT', 'ERR_PMEM_GAP']
  t.deepEqual([damage, codes.length], [undefined, 2])
  // Compiled, and not run.
  const wrong = () => {
    // @ts-expect-error -- no data
    events.append({ a: 1 })
    // @ts-expect-error -- no list
    events.appendMany(7)
    // @ts-expect-error -- no such option
    journal.open(path, { readOnly: true })
    // @ts-expect-error -- no place to begin
    events.read({ from: true })
    // @ts-expect-error -- no signal
    events.follow({ signal: 7 })
    // @ts-expect-error -- an array, not a record
    void events.consume('many', (many) => many.text(), { batch: 10 })
  }
  t.is(typeof wrong, 'function')
})

test('a destination of lines is one for pino', (t) => {
  const lines: Destination = destination({ folder: journalFolder(t), maxBytes: 1 << 30 })
  const logger: pino.Logger = pino(lines)
  logger.info('typed')
  lines.destroy()
  t.true(lines.journal.closed)
})

/** Whether two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

class User extends objects.Persistent {
  static defaults = { visits: 0 }
  name = ''
  visits = 0
}

test('what is in a store is of the type that its root says', async (t) => {
  const path = join(folder(t), 'store')
  const store = objects.open(path, {
    classes: { User },
    root: (made) => ({
      users: new Map<string, User>(),
      many: made.map<string, number>(),
      byName: made.sortedMap<[string, number], User>(),
      log: [] as { at: number }[],
      names: new Set<string>(),
      born: undefined as Date | undefined,
    }),
  })
  const { root } = store
  const user: Same<ReturnType<typeof root.users.get>, User | undefined> = true
  const log: Same<typeof root.log, { at: number }[]> = true
  const names: Same<typeof root.names, Set<string>> = true
  const born: Same<typeof root.born, Date | undefined> = true
  const byName: Same<typeof root.byName, objects.SortedMap<[string, number], User>> = true
  t.true(user && log && names && born && byName)
  root.users.set('ada', Object.assign(new User(), { name: 'ada' }))
  const ada: User | undefined = root.users.get('ada')
  root.byName.setMany([[['ada', 1], ada!]])
  const entry: [[string, number], User] | undefined = root.byName.first()
  for (const [[name, count], one] of root.byName.range({ from: ['a', 0], reverse: true })) t.is(name.length + count, one.name.length + 1)
  const many: objects.StoredMap<string, number> = root.many.setMany([['a', 1]])
  const values: (number | undefined)[] = many.getMany(['a', 'b'])
  const visits: number = store.transaction(() => (root.users.get('ada')!.visits += 1))
  const later: Promise<string> = store.transactionAsync(() => root.users.get('ada')!.name)
  t.deepEqual([entry?.[1] === ada, values, visits, await later], [true, [1, undefined], 1, 'ada'])
  const nothing: void = store.transaction(() => {})
  const snapshot: objects.Snapshot<typeof root> = store.snapshot()
  const plain: typeof root = objects.toPlain(root)
  const inOrder: Map<[string, number], User> = objects.toPlain(root.byName)
  t.is([...root.byName.range({ from: ['ada'] })].length, inOrder.size)
  const stats: objects.Stats = store.stats()
  const report: () => objects.Report = () => objects.check(path)
  const end: () => void = store.watch(root.users, ({ keys }: objects.Change) => keys)
  end()
  snapshot.close()
  t.deepEqual([nothing, typeof plain, stats.snapshots, typeof report], [undefined, 'object', 1, 'function'])
  const any = (): objects.Store => store
  const codes: PmemErrorCode[] = ['ERR_PMEM_ASYNC', 'ERR_PMEM_CLASS', 'ERR_PMEM_DETACHED', 'ERR_PMEM_UNCLONEABLE']
  t.is(codes.length, 4)
  // Compiled, and not run.
  const wrong = () => {
    // @ts-expect-error -- it would end before its work
    store.transaction(async () => 1)
    // @ts-expect-error -- as well
    store.transaction(() => Promise.resolve())
    // @ts-expect-error -- as well
    void store.transactionAsync(async () => {})
    // @ts-expect-error -- no user
    root.users.set('bob', 1)
    // @ts-expect-error -- may be missing
    root.users.get('bob').visits += 1
    // @ts-expect-error -- another key
    root.byName.set(['ada', 'one'], ada!)
    // @ts-expect-error -- no such option
    objects.open(path, { readOnly: true })
    // @ts-expect-error -- a function that gives it
    objects.open(path, { root: {} })
    // @ts-expect-error -- no key that has an order
    store.sortedMap<Date, number>()
    // @ts-expect-error -- null as long as nobody has set it
    objects.open<{ count: number }>(path).root.count += 1
    // @ts-expect-error -- made by a store alone
    t.truthy(new objects.SortedMap())
    // @ts-expect-error -- a snapshot has no such method
    snapshot.transaction(() => {})
  }
  t.is(typeof wrong, 'function')
  any().close()
})
