import { readFileSync, statSync } from 'node:fs'
import test from 'ava'
import { pmemlog } from 'pmem'
import {
  MiB,
  contents,
  eachEngine,
  eachPair,
  engines,
  file,
  newLog,
  nothings,
  pattern,
  peek,
  refuses,
  rejects,
  sameBytes,
  tellOfFile,
} from './helpers/pools.js'
import { dataKinds, overlong } from './helpers/pools-data.js'

const NBYTE = 2_088_960

test('the smallest pool is that of the NVM Library', (t) => {
  t.is(pmemlog.MIN_POOL, 2 * MiB)
})

test('checkVersion knows libpmemlog 1.1', (t) => {
  t.true(pmemlog.checkVersion(1, 0))
  t.true(pmemlog.checkVersion(1, 1))
  for (const [major, minor] of [[1, 2], [2, 0], [0, 0], [0, 1], [2 ** 32 - 1, 0]] as const) {
    refuses(t, 'ERR_PMEM_VERSION', () => pmemlog.checkVersion(major, minor), { message: new RegExp(`${major}\\.${minor}`) })
  }
  for (const wrong of ['1', ...nothings] as never[]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => pmemlog.checkVersion(wrong, 0))
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => pmemlog.checkVersion(1, wrong))
  }
  for (const wrong of [-1, 0.5, NaN, Infinity, 2 ** 32]) {
    refuses(t, 'ERR_OUT_OF_RANGE', () => pmemlog.checkVersion(wrong, 0))
    refuses(t, 'ERR_OUT_OF_RANGE', () => pmemlog.checkVersion(1, wrong))
  }
})

eachEngine('the log of the documentation', (t, engine) => {
  const path = file(t, 'mylogging.pmemlog')
  const log = pmemlog.create(path, undefined, { engine })
  t.is(statSync(path).size, 2_097_152)
  t.is(log.nbyte(), NBYTE)
  t.is(log.tell(), 0)
  t.is(log.engine, engine)
  t.false(log.closed)
  log.append('persistent logging!')
  t.is(log.tell(), 19)
  const walked: string[] = []
  log.walk((data) => {
    walked.push(data.toString())
    return 1
  })
  t.deepEqual(walked, ['persistent logging!'])
  log.close()
  t.true(log.closed)
  t.true(pmemlog.check(path))
})

test('what auto chooses is an engine of this build, and its log works', (t) => {
  const path = file(t)
  using log = pmemlog.create(path)
  t.true(engines.includes(log.engine as never))
  log.append('auto')
  log.close()
  for (const again of [pmemlog.open(path), pmemlog.open(path, { engine: 'auto' })]) {
    t.is(contents(again).toString(), 'auto')
    again.close()
  }
})

eachEngine('a size that is no multiple of a page keeps its file, and the log ends at a page', (t, engine) => {
  const sizes = [1, 4095, 4096, 4097, 902_849].map((more) => pmemlog.MIN_POOL + more)
  for (const size of [...sizes, BigInt(pmemlog.MIN_POOL + 4099)]) {
    const path = file(t)
    using log = pmemlog.create(path, size, { engine })
    t.is(statSync(path).size, Number(size))
    const nbyte = (Number(size) & ~4095) - 8192
    t.is(log.nbyte(), nbyte)
    const data = pattern(nbyte)
    log.append(data)
    refuses(t, 'ENOSPC', () => log.append('x'))
    log.close()
    t.true(pmemlog.check(path))
    using again = pmemlog.open(path, { engine })
    t.is(again.nbyte(), nbyte)
    sameBytes(t, contents(again), data)
  }
})

eachEngine('a rewound log holds only what comes after', (t, engine) => {
  const { log, path } = newLog(t, engine)
  log.append('a'.repeat(255))
  log.rewind()
  t.is(log.tell(), 0)
  t.is(tellOfFile(path), 0)
  log.append('b'.repeat(255))
  const walked: string[] = []
  log.walk((data) => walked.push(data.toString()))
  t.deepEqual(walked, ['b'.repeat(255)])
  log.rewind()
  log.rewind()
  t.is(contents(log).length, 0)
})

eachEngine('a rewind survives reopening', (t, engine) => {
  const { log, path } = newLog(t, engine)
  log.append('gone')
  log.rewind()
  log.close()
  using again = pmemlog.open(path, { engine })
  t.is(again.tell(), 0)
})

eachPair('every byte value survives reopening', (t, made, opened) => {
  const { log, path } = newLog(t, made)
  const bytes = Buffer.from(Array.from({ length: 768 }, (_, index) => index))
  log.append(bytes)
  log.close()
  using again = pmemlog.open(path, { engine: opened })
  t.is(again.engine, opened)
  sameBytes(t, contents(again), bytes)
  again.append(bytes)
  sameBytes(t, contents(again), Buffer.concat([bytes, bytes]))
})

for (const [what, data, expected] of dataKinds) {
  eachEngine(`${what} is appended as its bytes`, async (t, engine) => {
    const { log } = newLog(t, engine)
    const before = Buffer.from('<')
    const after = Buffer.from('>')
    const appends = [
      () => log.append(data),
      () => log.appendv([data, '', data]),
      () => log.appendMany([data, data]),
      () => log.appendAsync(data),
    ]
    for (const append of appends) {
      log.append(before)
      t.is(await append(), undefined)
      log.append(after)
    }
    const once = [before, expected, after]
    const twice = [before, expected, expected, after]
    sameBytes(t, contents(log), Buffer.concat([...once, ...twice, ...twice, ...once]))
  })
}

eachEngine('what is longer than the call frame is whole', (t, engine) => {
  const { log } = newLog(t, engine, 8 * MiB)
  const lengths = [65_535, 65_536, 65_537, 200_000]
  const parts = lengths.flatMap((length, seed) => {
    const bytes = pattern(length, seed + 1)
    const shared = new Uint8Array(new SharedArrayBuffer(length + 3), 3)
    shared.set(bytes)
    return [bytes, shared, bytes.toString('latin1').replace(/[^ -~]/g, '~')]
  })
  // UTF-8 is up to three times as long as the string that it comes from.
  parts.push(...[21_844, 21_845, 21_846, 65_535, 65_536, 65_537].map((length) => '€'.repeat(length)))
  const expected: Buffer[] = []
  for (const part of parts) {
    log.append(part)
    expected.push(Buffer.from(part as string))
    t.is(log.tell(), expected.reduce((total, { length }) => total + length, 0))
  }
  sameBytes(t, contents(log), Buffer.concat(expected))
})

eachEngine('thousands of parts are one append', (t, engine) => {
  const { log } = newLog(t, engine)
  const parts = Array.from({ length: 5000 }, (_, index) => `${index},`)
  log.appendv(parts)
  log.appendv(new Set(['set', '!']))
  log.appendMany(
    (function* () {
      yield 'gen'
      yield Buffer.from('erated')
    })(),
  )
  t.is(contents(log).toString(), `${parts.join('')}set!generated`)
  log.appendv([])
  log.appendMany([])
  log.appendv(['', Buffer.alloc(0)])
  t.is(log.tell(), parts.join('').length + 'set!generated'.length)
})

eachEngine('records are what they were when the iterator gave them', (t, engine) => {
  const { log } = newLog(t, engine)
  /** Each time the same buffer with another content, and at last moved away. */
  const reusing = function* (length: number) {
    const record = Buffer.from(new ArrayBuffer(length))
    for (const value of [0, 1, 2]) yield record.fill(value)
    structuredClone(record.buffer, { transfer: [record.buffer] })
  }
  for (const length of [1, 64, 30_000, 200_000]) {
    const expected = Buffer.concat([0, 1, 2].map((value) => Buffer.alloc(length, value)))
    for (const append of [() => log.appendv(reusing(length)), () => log.appendMany(reusing(length))]) {
      log.rewind()
      append()
      sameBytes(t, contents(log), expected)
    }
  }
})

eachEngine('an iterator may append to the log in every way', (t, engine) => {
  const { log } = newLog(t, engine)
  const inner = function* () {
    yield 'b'
    log.append('a')
    yield Buffer.from('c')
  }
  const outer = function* () {
    yield 'e'
    log.appendMany(inner())
    yield Buffer.from('f')
    log.appendv(['d'])
  }
  log.appendv(outer())
  t.is(contents(log).toString(), 'abcdef')
  const failing = function* () {
    yield 'lost'
    log.appendv([5 as never])
  }
  refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.appendMany(failing()))
  log.appendMany(['g', 'h'])
  t.is(contents(log).toString(), 'abcdefgh')
})

eachEngine('many records of every length are one run', (t, engine) => {
  const { log } = newLog(t, engine, 16 * MiB)
  const long = pattern(3 * MiB)
  const lengths = [0, 1, 63, 21_845, 65_536 - 21_909, 1, 65_536, 65_537, MiB - 1, 1, MiB, MiB + 1, 3 * MiB]
  const parts = lengths.flatMap((length, index) => [long.subarray(0, length), index, '€'.repeat(index * 999)].map(toData))
  log.appendMany(parts)
  sameBytes(t, contents(log), Buffer.concat(parts.map((part) => Buffer.from(part as string))))
  const before = log.tell()
  refuses(t, 'ENOSPC', () => log.appendMany([...parts, ...parts]))
  t.is(log.tell(), before)
})

function toData(value: Uint8Array | number | string): Uint8Array | string {
  return typeof value === 'number' ? `record ${value}` : value
}

eachEngine('what is no data is refused, and nothing is appended', async (t, engine) => {
  const { log } = newLog(t, engine)
  for (const wrong of [5, 5n, ...nothings] as never[]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.append(wrong))
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.appendv(['part', wrong]), { message: /^The "parts\[1\]" argument/ })
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.appendMany(['part', wrong, 'part']), { message: /^The "records\[1\]" argument/ })
    await rejects(t, 'ERR_INVALID_ARG_TYPE', () => log.appendAsync(wrong))
  }
  for (const wrong of ['text', 5, new Uint8Array(3), undefined, null, {}, new ArrayBuffer(3)] as never[]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.appendv(wrong))
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.appendMany(wrong))
  }
  refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.appendMany('text'.repeat(1000) as never), { message: /Received string 'texttexttexttexttexttextt'\.\.\.$/ })
  t.is(log.tell(), 0)
})

eachEngine('parts that fail on their way leave the log as it was', (t, engine) => {
  const { log } = newLog(t, engine)
  const failing = function* () {
    yield 'part'
    throw new Error('on its way')
  }
  t.throws(() => log.appendv(failing()), { message: 'on its way' })
  t.throws(() => log.appendMany(failing()), { message: 'on its way' })
  t.is(log.tell(), 0)
  const appending = function* () {
    yield 'outer'
    log.append('inner ')
  }
  log.appendv(appending())
  t.is(contents(log).toString(), 'inner outer')
  const closing = function* () {
    yield 'never'
    log.close()
  }
  refuses(t, 'ERR_PMEM_CLOSED', () => log.appendMany(closing()))
})

eachEngine('a full log is ENOSPC and as it was', async (t, engine) => {
  const { log, path } = newLog(t, engine)
  const start = pattern(NBYTE - 100)
  log.append(start)
  const [small, large] = [pattern(101, 2), pattern(100_000, 2)]
  const full = { path, message: /^ENOSPC: .*the log has no room for it/ }
  refuses(t, 'ENOSPC', () => log.append(small), { ...full, syscall: 'pmemlog_append' })
  refuses(t, 'ENOSPC', () => log.append(small.toString('latin1')), full)
  refuses(t, 'ENOSPC', () => log.append(large), full)
  refuses(t, 'ENOSPC', () => log.appendv([small.subarray(0, 60), small.subarray(60)]), full)
  refuses(t, 'ENOSPC', () => log.appendMany([small.subarray(0, 60), small.subarray(60)]), full)
  refuses(t, 'ENOSPC', () => log.appendMany(['fits', large]), full)
  await rejects(t, 'ENOSPC', () => log.appendAsync(small), full)
  await rejects(t, 'ENOSPC', () => log.appendAsync(large), full)
  t.is(log.tell(), start.length)
  t.is(tellOfFile(path), start.length)
  sameBytes(t, contents(log), start)
  log.append(small.subarray(0, 100))
  refuses(t, 'ENOSPC', () => log.append('x'), full)
  log.append('')
  log.appendv([])
  await log.appendAsync('')
  log.close()
  using again = pmemlog.open(path, { engine })
  sameBytes(t, contents(again), Buffer.concat([start, small.subarray(0, 100)]))
  again.rewind()
  again.append('room again')
  t.is(contents(again).toString(), 'room again')
})

eachEngine('an append that is larger than any log is ENOSPC', (t, engine) => {
  const { log } = newLog(t, engine)
  refuses(t, 'ENOSPC', () => log.append(overlong))
  refuses(t, 'ENOSPC', () => log.appendv([overlong, overlong]))
  t.is(log.tell(), 0)
})

eachEngine('asynchronous appends that do not fit reject, and the others are there', async (t, engine) => {
  const { log } = newLog(t, engine)
  const start = NBYTE - 10
  log.append(Buffer.alloc(start))
  const parts = ['1234', '5678901', '567', 'abcde', '89', '0', 'x', '']
  const outcomes = await Promise.allSettled(parts.map((part) => log.appendAsync(part)))
  const appended = parts.filter((_, index) => outcomes[index]?.status === 'fulfilled')
  t.deepEqual(appended, ['1234', '567', '89', '0', ''])
  for (const outcome of outcomes) if (outcome.status === 'rejected') t.is(outcome.reason.code, 'ENOSPC')
  t.is(log.read(start, 10).toString(), '1234567890')
})

eachEngine('the order of calls is the order in the log', async (t, engine) => {
  const { log } = newLog(t, engine)
  const pending: Promise<void>[] = []
  let expected = ''
  for (let index = 0; index < 300; index += 1) {
    pending.push(log.appendAsync(`a${index};`))
    if (index % 3 === 0) log.append(`s${index};`)
    pending.push(log.appendAsync(`b${index};`))
    if (index % 5 === 0) log.appendv([`v${index}`, ';'])
    if (index % 7 === 0) log.appendMany([`m${index};`, `n${index};`])
    expected += `a${index};${index % 3 ? '' : `s${index};`}b${index};`
    expected += `${index % 5 ? '' : `v${index};`}${index % 7 ? '' : `m${index};n${index};`}`
  }
  log.append('end')
  t.is(contents(log).toString(), `${expected}end`)
  t.deepEqual(new Set(await Promise.all(pending)), new Set([undefined]))
})

eachEngine('an asynchronous append settles once it is in the file', async (t, engine) => {
  const { log, path } = newLog(t, engine)
  const settled: number[] = []
  const pending = Array.from({ length: 200 }, async (_, index) => {
    await log.appendAsync(Buffer.alloc(100, index))
    settled.push(tellOfFile(path) - (index + 1) * 100)
  })
  await Promise.all(pending)
  t.is(settled.length, 200)
  t.deepEqual(settled.filter((more) => more < 0), [])
  sameBytes(t, peek(path, 8192, 20_000), contents(log))
})

eachEngine('data is copied at the call', async (t, engine) => {
  const { log } = newLog(t, engine)
  const small = Buffer.from('small')
  const large = Buffer.alloc(100_000, 'l')
  const shared = new Uint8Array(new SharedArrayBuffer(6)).fill(65)
  const pending = [small, large, shared].map((data) => {
    const promise = log.appendAsync(data)
    data.fill(0)
    return promise
  })
  await Promise.all(pending)
  t.is(contents(log).toString(), `small${'l'.repeat(100_000)}AAAAAA`)
})

eachEngine('a rewind comes after the appends that are pending', async (t, engine) => {
  const { log } = newLog(t, engine)
  const before = Array.from({ length: 50 }, () => log.appendAsync('before'))
  log.rewind()
  t.is(log.tell(), 0)
  const after = log.appendAsync('after')
  await Promise.all([...before, after])
  t.is(contents(log).toString(), 'after')
})

eachEngine('what read and walk give are copies', (t, engine) => {
  const { log, path } = newLog(t, engine)
  log.append('original')
  log.read(0, 8).fill(0)
  log.walk((data) => void data.fill(0))
  log.walk((data) => void data.fill(0), 3)
  for (const chunk of log) chunk.fill(0)
  t.is(contents(log).toString(), 'original')
  const copy = log.read(0, 8)
  log.close()
  t.is(copy.toString(), 'original')
  t.is(readFileSync(path).toString('latin1', 8192, 8200), 'original')
})

eachEngine('reading what is not there is refused', (t, engine) => {
  const { log } = newLog(t, engine)
  log.append('0123456789')
  t.is(log.read(0, 10).toString(), '0123456789')
  t.is(log.read(3, 4).toString(), '3456')
  t.is(log.read(3n, 4n).toString(), '3456')
  t.is(log.read(10, 0).length, 0)
  t.is(log.read(0, 0).length, 0)
  const ranges = [[0, 11], [11, 0], [10, 1], [5, 6], [-1, 1], [0, -1], [0.5, 1], [0, 1.5], [NaN, 1], [0, NaN], [2 ** 53, 0], [0, Infinity]]
  for (const [offset, length] of ranges as [number, number][]) refuses(t, 'ERR_OUT_OF_RANGE', () => log.read(offset, length))
  refuses(t, 'ERR_OUT_OF_RANGE', () => log.read(0n, 2n ** 64n))
  refuses(t, 'ERR_OUT_OF_RANGE', () => log.read(-1n, 1n))
  for (const wrong of ['1', ...nothings] as never[]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.read(wrong, 1))
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.read(0, wrong))
  }
})

eachEngine('dispose closes', async (t, engine) => {
  const { log, path } = newLog(t, engine)
  {
    using disposed = log
    disposed.append('1')
  }
  t.true(log.closed)
  const again = pmemlog.open(path, { engine })
  const pending: Promise<void>[] = []
  {
    await using disposed = again
    for (let index = 0; index < 100; index += 1) pending.push(disposed.appendAsync('2'))
  }
  t.true(again.closed)
  await Promise.all(pending)
  await again[Symbol.asyncDispose]()
  again[Symbol.dispose]()
  using last = pmemlog.open(path, { engine })
  t.is(contents(last).toString(), `1${'2'.repeat(100)}`)
})
