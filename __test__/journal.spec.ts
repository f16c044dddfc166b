import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import test from 'ava'
import { journal } from 'pmem'
import { throws } from './helpers/errors.js'
import { holding, journalFolder, numbered, opened, sequences, texts } from './helpers/journals.js'
import { MiB, pattern, refuses, rejects, sameBytes } from './helpers/pools.js'
import { dataKinds } from './helpers/pools-data.js'
import { newRealm } from './helpers/realms.js'

test('what is appended is there, also when it is opened again', (t) => {
  const path = journalFolder(t)
  const events = opened(t, {}, path)
  t.is(events.path, path)
  t.deepEqual([events.first, events.next, events.segments, events.pending], [0, 0, 1, 0])
  t.deepEqual(events.recovered, { torn: 0 })
  t.false(events.readonly || events.closed)
  t.is(events.append('one'), 0)
  t.is(events.append(Buffer.from('two')), 1)
  t.is(events.appendMany(['three', 'four']), 2)
  t.is(events.appendMany([]), 4)
  t.deepEqual([events.first, events.next], [0, 4])
  t.true(events.byteLength >= 4 * 32)
  t.deepEqual(texts(events), ['one', 'two', 'three', 'four'])
  events.close()
  events.close()
  t.true(events.closed)
  const again = opened(t, {}, path)
  t.deepEqual(again.recovered, { torn: 0 })
  t.deepEqual(texts(again), ['one', 'two', 'three', 'four'])
  t.is(again.append('five'), 4)
})

for (const [what, data, expected] of dataKinds) {
  test(`${what} is appended as its bytes`, async (t) => {
    const events = opened(t)
    t.is(events.append(data), 0)
    t.is(events.appendMany([data, '', data]), 1)
    t.is(await events.appendAsync(data), 4)
    t.is(await events.appendManyAsync([data, data]), 5)
    t.is(await events.appendAsync(data, { durable: false }), 7)
    events.append('end')
    const found = [...events].map((record) => record.data)
    t.is(found.length, 9)
    for (const index of [0, 1, 3, 4, 5, 6, 7]) sameBytes(t, found[index]!, Buffer.from(expected))
    t.is(found[2]!.length, 0)
  })
}

test('records of all lengths come back as they were, by every way of reading', (t) => {
  const lengths = [0, 1, 7, 8, 9, 63, 64, 4000, 4064, 4096, 16_383, 16_384, 65_504, 65_535, 65_536, 65_537, 200_000, 3 * MiB]
  const events = opened(t, { segmentSize: 8 * MiB })
  const records = lengths.map((length, index) => pattern(length).map((byte) => byte ^ index))
  for (const record of records) events.append(record)
  t.is(events.appendMany(records), records.length)
  for (const [index, { sequence, data }] of [...events].entries()) {
    t.is(sequence, index)
    t.true(data instanceof Buffer)
    sameBytes(t, data, Buffer.from(records[index % records.length]!))
  }
  for (const [index, record] of records.entries()) {
    sameBytes(t, events.get(index)!.data, Buffer.from(record))
    sameBytes(t, [...events.read({ from: index + records.length, limit: 1 })][0]!.data, Buffer.from(record))
  }
})

test('a record has its time, its text and its JSON', (t) => {
  const before = Date.now()
  const events = holding(t, ['{"a":1}', 'no JSON', Buffer.from([0xff, 0xfe])])
  const [json, text, bytes] = [...events] as [journal.JournalRecord, journal.JournalRecord, journal.JournalRecord]
  t.deepEqual(json.json<{ a: number }>(), { a: 1 })
  t.is(text.text(), 'no JSON')
  t.regex(t.throws(() => text.json(), { instanceOf: SyntaxError })!.message, /the record 1 is no JSON: /)
  t.true(Number.isSafeInteger(json.timestamp))
  t.true(json.time.getTime() >= before - 1 && json.time.getTime() <= Date.now())
  t.is(json.time.getTime(), Math.floor(json.timestamp / 1000))
  t.true(text.timestamp >= json.timestamp)
  t.regex(inspect(json), /^JournalRecord \{\s+sequence: 0,\s+time: \d{4}-[\d-]+T[\d:.]+Z,\s+text: '\{"a":1\}'\s+\}$/)
  t.regex(inspect(bytes), /data: <Buffer ff fe>/)
  t.deepEqual(Object.keys(json), ['sequence', 'timestamp', 'data'])
})

test('what is read is a copy, whose owner may change it', (t) => {
  const events = holding(t, ['aaaa', 'bbbb'])
  for (const { data } of events) data.fill('x')
  events.get(0)!.data.fill('x')
  t.deepEqual(texts(events), ['aaaa', 'bbbb'])
})

test('a range is read: from, to, limit', (t) => {
  const events = holding(t, numbered(100))
  const read = (options?: journal.ReadOptions) => sequences(events.read(options))
  const all = Array.from({ length: 100 }, (_, index) => index)
  t.deepEqual(read(), all)
  t.deepEqual(read({}), all)
  t.deepEqual(read({ from: 90 }), all.slice(90))
  t.deepEqual(read({ from: 90n, to: 95n }), all.slice(90, 95))
  t.deepEqual(read({ to: 3 }), [0, 1, 2])
  t.deepEqual(read({ limit: 2 }), [0, 1])
  t.deepEqual(read({ from: 5, to: 9, limit: 2 }), [5, 6])
  t.deepEqual(read({ from: 5, to: 9, limit: 100 }), [5, 6, 7, 8])
  t.deepEqual(read({ limit: 0 }), [])
  t.deepEqual(read({ from: 7, to: 7 }), [])
  t.deepEqual(read({ from: 7, to: 3 }), [])
  t.deepEqual(read({ from: 100 }), [])
  t.deepEqual(read({ to: 1000 }), all)
  throws(t, { code: 'ERR_OUT_OF_RANGE', says: '"from"' }, () => events.read({ from: 101 }))
})

test('the range is settled at the call, and each iteration begins anew', (t) => {
  const events = holding(t, ['one', 'two'])
  const range = events.read()
  events.append('three')
  t.deepEqual(texts(range), ['one', 'two'])
  t.deepEqual(texts(range), ['one', 'two'])
  t.deepEqual(texts(events.read()), ['one', 'two', 'three'])
  const iterator = events[Symbol.iterator]()
  t.is(iterator.next().value?.text(), 'one')
  t.deepEqual(iterator.return(), { value: undefined, done: true })
  t.deepEqual(iterator.next(), { value: undefined, done: true })
})

test('records are appended while they are iterated over', (t) => {
  const events = holding(t, numbered(2000))
  let count = 0
  for (const record of events) {
    t.is(record.text(), `record ${count}`)
    if (count % 3 === 0) events.append('meanwhile')
    count += 1
  }
  t.is(count, 2000)
})

test('from may be a time', async (t) => {
  const events = opened(t)
  events.append('before')
  await new Promise((resolve) => setTimeout(resolve, 20))
  const time = new Date()
  await new Promise((resolve) => setTimeout(resolve, 20))
  events.appendMany(['after', 'and after'])
  t.deepEqual(texts(events.read({ from: time })), ['after', 'and after'])
  t.deepEqual(texts(events.read({ from: new Date(0) })), ['before', 'after', 'and after'])
  t.deepEqual(texts(events.read({ from: new Date(-1) })), ['before', 'after', 'and after'])
  t.deepEqual(texts(events.read({ from: new Date(Date.now() + 60_000) })), [])
  refuses(t, 'ERR_INVALID_ARG_VALUE', () => events.read({ from: new Date(NaN) }))
})

test('from may be a cursor, also a new one', (t) => {
  const events = holding(t, numbered(5))
  t.deepEqual(sequences(events.read({ from: 'reader' })), [0, 1, 2, 3, 4])
  events.cursor('reader').commit(2)
  t.deepEqual(sequences(events.read({ from: 'reader' })), [3, 4])
})

test('one record is got by its sequence', (t) => {
  const events = holding(t, numbered(3), { firstSequence: 10 })
  t.is(events.get(10)!.text(), 'record 0')
  t.is(events.get(12n)!.text(), 'record 2')
  t.is(events.get(12)!.sequence, 12)
  for (const none of [0, 9, 13, 2 ** 53 - 1]) t.is(events.get(none), undefined)
  for (const wrong of [-1, 0.5, NaN]) refuses(t, 'ERR_OUT_OF_RANGE', () => events.get(wrong))
})

test('firstSequence counts for a new journal alone', (t) => {
  const path = journalFolder(t)
  const events = opened(t, { firstSequence: 1000n }, path)
  t.deepEqual([events.first, events.next], [1000, 1000])
  t.is(events.append('x'), 1000)
  events.close()
  const again = opened(t, { firstSequence: 5 }, path)
  t.deepEqual([again.first, again.next], [1000, 1001])
})

test('expected is what an append gets, or nothing is appended', async (t) => {
  const events = opened(t)
  t.is(events.append('one', { expected: 0 }), 0)
  t.is(events.appendMany(['two', 'three'], { expected: 1n }), 1)
  for (const expected of [0, 2, 4]) {
    const error = t.throws(() => events.append('x', { expected }))
    t.like(error, { code: 'ERR_PMEM_CONFLICT', next: 3 })
    t.like(t.throws(() => events.appendMany(['x', 'y'], { expected })), { code: 'ERR_PMEM_CONFLICT' })
    await rejects(t, 'ERR_PMEM_CONFLICT', () => events.appendAsync('x', { expected }))
    await rejects(t, 'ERR_PMEM_CONFLICT', () => events.appendManyAsync(['x'], { expected }))
  }
  t.deepEqual(texts(events), ['one', 'two', 'three'])
  // Calls that wait count.
  const waiting = [events.appendAsync('four', { expected: 3 }), events.appendManyAsync(['five', 'six'], { expected: 4 })]
  await rejects(t, 'ERR_PMEM_CONFLICT', () => events.appendAsync('x', { expected: 3 }))
  waiting.push(events.appendAsync('seven', { expected: 6 }))
  t.deepEqual(await Promise.all(waiting), [3, 4, 6])
  t.is(events.append('eight', { expected: 7 }), 7)
})

test('the order of calls is the order of sequences, of whatever kind they are', async (t) => {
  const events = opened(t)
  const promises = [
    events.appendAsync('0'),
    events.appendManyAsync(['1', '2']),
    events.append('3'),
    events.appendAsync(Buffer.alloc(100_000, '4')),
    events.appendAsync('5', { durable: false }),
    events.appendMany(['6', '7']),
    events.appendAsync('8'),
  ]
  t.deepEqual(await Promise.all(promises), [0, 1, 3, 4, 5, 6, 8])
  t.deepEqual(texts(events).map((text) => text[0]), ['0', '1', '2', '3', '4', '5', '6', '7', '8'])
})

test('many asynchronous appends get their sequences in order', async (t) => {
  const events = opened(t)
  const given = await Promise.all(numbered(5000).map((text) => events.appendAsync(text)))
  t.deepEqual(given, Array.from({ length: 5000 }, (_, index) => index))
  t.deepEqual(texts(events), numbered(5000))
  t.is(events.pending, 0)
})

test('a flush makes durable what was not', async (t) => {
  const events = opened(t)
  t.is(events.append('one', { durable: false }), 0)
  t.is(events.append('two', { expected: 1, durable: false }), 1)
  events.flush()
  t.is(events.next, 2)
  t.is(events.appendMany(['three', 'four'], { durable: false }), 2)
  t.is(await events.flushed(), undefined)
  t.is(events.next, 4)
  t.deepEqual(texts(events), ['one', 'two', 'three', 'four'])
})

test('a durable append makes durable what was appended before', (t) => {
  const events = opened(t)
  events.append('one', { durable: false })
  events.append('two')
  t.is(events.next, 2)
  t.deepEqual(texts(events), ['one', 'two'])
})

test('records of an iterator that changes them afterwards are what they were', (t) => {
  const events = opened(t)
  const bytes = Buffer.alloc(3)
  function* changing(count: number) {
    for (let index = 0; index < count; index += 1) yield bytes.fill(`${index % 10}`)
  }
  for (const count of [3, 50_000]) {
    const start = events.appendMany(changing(count))
    const found = texts(events.read({ from: start }))
    t.is(found.length, count)
    t.true(found.every((text, index) => text === `${index % 10}`.repeat(3)))
  }
})

test('an iterator that appends itself, or throws, harms nothing', (t) => {
  const events = opened(t)
  function* appending() {
    yield 'third'
    events.append('first')
    events.appendMany(['second'])
    yield 'fourth'
  }
  events.appendMany(appending())
  t.deepEqual(texts(events), ['first', 'second', 'third', 'fourth'])
  const failure = new Error('no more')
  function* throwing(): Generator<string> {
    yield 'x'
    throw failure
  }
  t.is(t.throws(() => events.appendMany(throwing())), failure)
  t.is(events.next, 4)
})

test('an iterator that closes the journal is refused', (t) => {
  const events = opened(t)
  function* closing() {
    yield 'x'
    events.close()
  }
  refuses(t, 'ERR_PMEM_CLOSED', () => events.appendMany(closing()))
})

test('records before a sequence are forgotten', (t) => {
  const path = journalFolder(t)
  const events = opened(t, {}, path)
  events.appendMany(numbered(10))
  events.truncateBefore(4)
  t.is(events.first, 4)
  t.deepEqual(sequences(events), [4, 5, 6, 7, 8, 9])
  t.is(events.get(3), undefined)
  const gap = t.throws(() => [...events.read({ from: 3 })])
  t.like(gap, { code: 'ERR_PMEM_GAP', first: 4, path })
  refuses(t, 'ERR_OUT_OF_RANGE', () => events.truncateBefore(11))
  events.truncateBefore(2)
  t.is(events.first, 4)
  events.truncateBefore(10n)
  t.deepEqual([events.first, events.next], [10, 10])
  t.deepEqual(sequences(events), [])
  events.close()
  const again = opened(t, {}, path)
  t.deepEqual([again.first, again.next], [10, 10])
  t.is(again.append('x'), 10)
})

test('a reader that is overtaken is told', (t) => {
  const events = holding(t, Array.from({ length: 100 }, () => Buffer.alloc(5000)))
  const records = events[Symbol.iterator]()
  t.is(records.next().value?.sequence, 0)
  events.truncateBefore(90)
  const error = t.throws(() => {
    for (const record of records) t.true(record.sequence < 90)
  })
  t.like(error, { code: 'ERR_PMEM_GAP', first: 90 })
  t.deepEqual(records.next(), { value: undefined, done: true })
})

test('a small segment size makes several segments, over which reading goes on', (t) => {
  const path = journalFolder(t)
  const events = opened(t, { segmentSize: MiB }, path)
  const record = pattern(100_000)
  for (let index = 0; index < 40; index += 1) events.append(record)
  t.true(events.segments >= 4)
  t.is(events.segments, readdirSync(path).filter((name) => name.endsWith('.seg')).length)
  t.deepEqual(sequences(events), Array.from({ length: 40 }, (_, index) => index))
  events.truncateBefore(35)
  t.true(events.segments <= 2)
})

test('what was read is sound', (t) => {
  const path = journalFolder(t)
  const events = opened(t, {}, path)
  events.appendMany(numbered(10))
  t.like(journal.check(path), { sound: true, records: 10, segments: 1 })
  events.close()
  const report = journal.check(path)
  t.deepEqual(Object.keys(report), ['sound', 'records', 'bytes', 'segments'])
  t.like(report, { sound: true, records: 10, segments: 1 })
  throws(t, { code: 'ENOENT', path: join(path, 'none') }, () => journal.check(join(path, 'none')))
})

test('a damaged record is named: by check, by reading, and by opening', (t) => {
  const path = journalFolder(t)
  const events = opened(t, {}, path)
  events.appendMany(numbered(1000).map((text) => text.padEnd(200)))
  events.close()
  const [name] = readdirSync(path).filter((entry) => entry.endsWith('.seg'))
  const file = join(path, name!)
  const bytes = readFileSync(file)
  const at = bytes.indexOf('record 500 ')
  bytes[at + 20]! ^= 1
  writeFileSync(file, bytes)
  const report = journal.check(path)
  t.false(report.sound)
  t.is(report.damage!.length, 1)
  t.like(report.damage![0], { file, sequence: 500, offset: at - 32 })
  t.is(typeof report.damage![0]!.what, 'string')

  const again = opened(t, {}, path)
  const seen: number[] = []
  const error = t.throws(() => {
    for (const { sequence } of again) seen.push(sequence)
  })
  t.like(error, { code: 'ERR_PMEM_CORRUPT', path: file, offset: at - 32, sequence: 500 })
  t.is(seen.length, 500)
  refuses(t, 'ERR_PMEM_CORRUPT', () => again.get(500))
  t.is(again.get(501)!.text().trim(), 'record 501')
  const rest = sequences(again.read({ skipDamaged: true }))
  t.deepEqual(rest, Array.from({ length: 1000 }, (_, index) => index).filter((index) => index !== 500))
})

test('a readonly journal refuses changes, and reads', async (t) => {
  const path = journalFolder(t)
  throws(t, { code: 'ENOENT', path }, () => journal.open(path, { readonly: true }))
  throws(t, { code: 'ENOENT', path }, () => journal.open(path, { create: false }))
  holding(t, []).close()
  const writer = opened(t, {}, path)
  writer.appendMany(['one', 'two'])
  writer.cursor('reader').commit(0)
  writer.close()
  const reader = opened(t, { readonly: true }, path)
  t.true(reader.readonly)
  t.deepEqual(texts(reader), ['one', 'two'])
  t.is(reader.cursor('reader').position, 1)
  refuses(t, 'EROFS', () => reader.append('x'))
  refuses(t, 'EROFS', () => reader.appendMany(['x']))
  refuses(t, 'EROFS', () => reader.truncateBefore(1))
  await rejects(t, 'EROFS', () => reader.appendAsync('x'))
  t.deepEqual(texts(reader), ['one', 'two'])
})

test('handles on one folder share the journal', async (t) => {
  const path = journalFolder(t)
  const one = opened(t, {}, path)
  const two = opened(t, {}, path)
  t.is(one.append('one'), 0)
  t.is(two.append('two'), 1)
  t.is(await one.appendAsync('three'), 2)
  one.close()
  t.deepEqual(texts(two), ['one', 'two', 'three'])
  t.is(two.append('four'), 3)
})

test('every use of a closed journal is refused, but what says so', async (t) => {
  const events = holding(t, ['one', 'two'])
  const cursor = events.cursor('reader')
  const range = events.read()
  const iterator = events[Symbol.iterator]()
  iterator.next()
  events.close()
  t.true(events.closed)
  const uses: (() => unknown)[] = [
    () => events.first,
    () => events.next,
    () => events.byteLength,
    () => events.segments,
    () => events.pending,
    () => events.append('x'),
    () => events.appendMany(['x']),
    () => events.flush(),
    () => events.read(),
    () => events.read(7 as never),
    () => [...range],
    () => iterator.next(),
    () => events[Symbol.iterator](),
    () => events.get(0),
    () => events.follow(),
    () => events.createReadStream(),
    () => events.createWriteStream(),
    () => events.cursor('reader'),
    () => events.cursors(),
    () => events.truncateBefore(0),
    () => cursor.position,
    () => cursor.commit(0),
    () => cursor.delete(),
  ]
  for (const use of uses) throws(t, { code: 'ERR_PMEM_CLOSED', says: events.path }, use)
  await rejects(t, 'ERR_PMEM_CLOSED', () => events.appendAsync('x'))
  await rejects(t, 'ERR_PMEM_CLOSED', () => events.appendManyAsync(['x']))
  await rejects(t, 'ERR_PMEM_CLOSED', () => events.flushed())
  await rejects(t, 'ERR_PMEM_CLOSED', () => events.consume('reader', () => {}))
  t.is(cursor.name, 'reader')
  await events[Symbol.asyncDispose]()
  events[Symbol.dispose]()
})

test('leaving a scope closes, and finishes what is pending', async (t) => {
  const path = journalFolder(t)
  let inner: journal.Journal
  let pending: Promise<number>
  {
    using scoped = journal.open(path)
    inner = scoped
    pending = scoped.appendAsync('one')
  }
  t.true(inner.closed)
  t.is(await pending, 0)
  {
    await using scoped = journal.open(path)
    inner = scoped
    pending = scoped.appendAsync('two')
  }
  t.true(inner.closed)
  t.is(await pending, 1)
  t.deepEqual(texts(opened(t, {}, path)), ['one', 'two'])
})

test('what a journal and a cursor show', (t) => {
  const events = holding(t, ['one'])
  const cursor = events.cursor('reader')
  t.regex(inspect(events), /^Journal \{\s+path: '.*',\s+readonly: false,\s+first: 0,\s+next: 1,\s+byteLength: \d+,\s+segments: 1,\s+pending: 0\s+\}$/)
  t.is(inspect(cursor), "Cursor { name: 'reader', position: 0 }")
  events.close()
  t.regex(inspect(events), /^Journal \{\s+path: '.*',\s+closed: true\s+\}$/s)
  t.is(inspect(cursor), "Cursor { name: 'reader', unusable: 'ERR_PMEM_CLOSED' }")
})

test('a folder is named by text, bytes or a URL', (t) => {
  const path = journalFolder(t)
  for (const name of [path, Buffer.from(path), pathToFileURL(path)]) {
    const events = journal.open(name)
    t.is(events.path, path)
    events.close()
    t.true(journal.check(name).sound)
  }
})

test('errors are of the realm that loaded the package', async (t) => {
  const realm = newRealm()
  const path = journalFolder(t)
  const events = realm.package.journal.open(path)
  t.teardown(() => events.close())
  events.append('x')
  const RealmError = realm.run('Error') as ErrorConstructor
  const RealmTypeError = realm.run('TypeError') as ErrorConstructor
  t.true(t.throws(() => events.append('x', { expected: 7 }), { any: true }) instanceof RealmError)
  t.true(t.throws(() => events.append(7 as never), { any: true }) instanceof RealmTypeError)
  t.true(await events.appendAsync('x', { expected: 7 }).catch((error: unknown) => error) instanceof RealmError)
  // Both realms wait at once, each for its own.
  const own = opened(t, {}, path)
  const [theirs, ours] = [events.follow({ from: 1 }), own.follow({ from: 1 })]
  const both = Promise.all([theirs.next(), ours.next()])
  own.append('y')
  t.deepEqual((await both).map(({ value }) => (value as journal.JournalRecord).text()), ['y', 'y'])
})
