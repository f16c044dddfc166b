import { constants } from 'node:buffer'
import type { ExecutionContext } from 'ava'
import { pmemlog } from 'pmem'
import {
  type EngineName,
  GiB,
  MiB,
  contents,
  durableIsCheap,
  eachEngine,
  file,
  growLog,
  newLog,
  nothings,
  pattern,
  pokeTell,
  refuses,
  sameBytes,
} from './helpers/pools.js'

/** The chunks of a walk. */
function walked(log: pmemlog.Log, chunkSize?: number | bigint): Buffer[] {
  const chunks: Buffer[] = []
  log.walk((chunk) => void chunks.push(chunk), chunkSize)
  return chunks
}

function isWhole(t: ExecutionContext, chunks: Buffer[], data: Uint8Array, chunkSize: number): void {
  sameBytes(t, Buffer.concat(chunks), data, `chunks of ${chunkSize}`)
  t.is(chunks.length, Math.ceil(data.length / chunkSize))
  t.true(chunks.slice(0, -1).every(({ length }) => length === chunkSize))
  t.true(chunks.every((chunk) => Buffer.isBuffer(chunk)))
}

eachEngine('a walk gives the whole log at once', (t, engine) => {
  const { log } = newLog(t, engine)
  const data = pattern(log.nbyte())
  log.append(data)
  for (const chunks of [walked(log), walked(log, 0), walked(log, 0n), walked(log, undefined)]) {
    t.is(chunks.length, 1)
    t.true(Buffer.isBuffer(chunks[0]))
    sameBytes(t, chunks[0]!, data)
  }
})

eachEngine('a walk by chunks gives all in order, the last one short', (t, engine) => {
  const { log } = newLog(t, engine, 5 * MiB)
  const data = pattern(4 * MiB + 13)
  log.append(data)
  for (const size of [17, 4096, 65_536, MiB - 1, MiB, MiB + 1, 3 * MiB, data.length - 1, data.length, data.length + 1, 2 ** 32]) {
    isWhole(t, walked(log, size), data, size)
    isWhole(t, [...log.chunks(size)], data, size)
  }
  isWhole(t, walked(log, 1000n), data, 1000)
  isWhole(t, [...log], data, 65_536)
})

eachEngine('19 bytes by 7 are 7, 7 and 5', (t, engine) => {
  const { log } = newLog(t, engine)
  log.append('persistent logging!')
  t.deepEqual(walked(log, 7).map(String), ['persist', 'ent log', 'ging!'])
  t.deepEqual([...log.chunks(7)].map(String), ['persist', 'ent log', 'ging!'])
  t.deepEqual(walked(log, 1).map(String), [...'persistent logging!'])
})

eachEngine('762,000 bytes by 127 are 6000 calls, and 0 or false stops at the first', (t, engine) => {
  const { log } = newLog(t, engine)
  for (let index = 0; index < 6; index += 1) log.append(pattern(127_000, index + 1))
  const count = (answer: unknown): number => {
    let calls = 0
    log.walk(() => {
      calls += 1
      return answer
    }, 127)
    return calls
  }
  for (const on of [undefined, null, '', NaN, 1, true, -1, {}, 0n]) t.is(count(on), 6000, String(on))
  for (const stop of [0, false, -0]) t.is(count(stop), 1, String(stop))
  let calls = 0
  log.walk(() => (calls += 1) < 2500, 127)
  t.is(calls, 2500)
})

eachEngine('an empty log is one call with nothing, or no chunk', (t, engine) => {
  const { log } = newLog(t, engine)
  t.deepEqual(walked(log), [Buffer.alloc(0)])
  t.deepEqual(walked(log, 1), [])
  t.deepEqual([...log.chunks(1)], [])
  t.deepEqual([...log], [])
})

eachEngine('a walk shows what was there at its start', (t, engine) => {
  const { log } = newLog(t, engine, 4 * MiB)
  const start = pattern(2 * MiB)
  log.append(start)
  for (const chunksOf of [() => log.chunks(100_000), () => log]) {
    const chunks: Buffer[] = []
    for (const chunk of chunksOf()) {
      chunks.push(chunk)
      log.append('!')
    }
    sameBytes(t, Buffer.concat(chunks), start)
    sameBytes(t, contents(log), Buffer.concat([start, Buffer.alloc(chunks.length, '!')]))
    log.rewind()
    log.append(start)
  }
  for (const size of [0, 7777, MiB]) {
    const chunks: Buffer[] = []
    const before = log.tell()
    log.walk((chunk) => {
      chunks.push(chunk)
      log.append('inside')
    }, size)
    sameBytes(t, Buffer.concat(chunks), contents(log).subarray(0, before))
    t.is(log.tell(), before + 6 * chunks.length)
  }
})

eachEngine('an asynchronous append inside a walk does not show in it', async (t, engine) => {
  const { log } = newLog(t, engine)
  log.append('abc')
  const pending: Promise<void>[] = []
  log.walk(() => pending.push(log.appendAsync('d')), 1)
  t.is(pending.length, 3)
  await Promise.all(pending)
  t.is(contents(log).toString(), 'abcddd')
})

eachEngine('a throw ends a walk and is thrown on', (t, engine) => {
  const { log } = newLog(t, engine)
  log.append('abc')
  const thrown = new Error('inside')
  for (const size of [0, 1]) {
    let calls = 0
    const walk = () =>
      log.walk(() => {
        calls += 1
        throw thrown
      }, size)
    t.is(t.throws(walk), thrown)
    t.is(calls, 1)
  }
  log.append('d')
  t.is(contents(log).toString(), 'abcd')
})

eachEngine('closing inside ends a walk', (t, engine) => {
  const data = pattern(3_000_000)
  for (const size of [0, 1, 127, MiB]) {
    const { log } = newLog(t, engine, 4 * MiB)
    log.append(data)
    let calls = 0
    log.walk((chunk) => {
      calls += 1
      log.close()
      sameBytes(t, chunk, data.subarray(0, size || data.length))
    }, size)
    t.is(calls, 1)
    t.true(log.closed)
  }
})

eachEngine('rewinding inside ends a walk', (t, engine) => {
  for (const size of [0, 1, 127, MiB]) {
    const { log } = newLog(t, engine, 4 * MiB)
    const data = pattern(3_000_000)
    log.append(data)
    let calls = 0
    log.walk((chunk) => {
      calls += 1
      log.rewind()
      log.append('new')
      sameBytes(t, chunk, data.subarray(0, size || data.length))
    }, size)
    t.is(calls, 1, `chunks of ${size}`)
    t.is(contents(log).toString(), 'new')
  }
})

eachEngine('a rewind ends an iteration', (t, engine) => {
  for (const size of [127, MiB]) {
    const { log } = newLog(t, engine, 4 * MiB)
    log.append(pattern(3_000_000))
    const chunks = log.chunks(size)[Symbol.iterator]()
    t.is(chunks.next().value.length, size)
    log.rewind()
    log.append(pattern(3_000_000, 2))
    t.true(chunks.next().done, `chunks of ${size}`)
  }
})

/** A log that another handle rewinds just after its length was asked for, as another thread may at any time. */
function rewoundAfterTell(t: ExecutionContext, engine: EngineName): pmemlog.Log {
  const { log, path } = newLog(t, engine, 4 * MiB)
  log.append(pattern(3_000_000))
  const other = pmemlog.open(path, { engine })
  t.teardown(() => other.close())
  log.tell = () => {
    const length = other.tell()
    other.rewind()
    return length
  }
  return log
}

const WAYS: Record<string, (log: pmemlog.Log) => Promise<Buffer[]>> = {
  'a walk over everything': async (log) => walked(log),
  'a walk by chunks': async (log) => walked(log, 1000),
  'an iteration': async (log) => [...log],
  'a read': async (log) => [log.read(0, 1000)],
  'a stream': async (log) => {
    const chunks: Buffer[] = []
    for await (const chunk of log.createReadStream()) chunks.push(chunk)
    return chunks
  },
}

for (const [way, read] of Object.entries(WAYS)) {
  eachEngine(`${way} of a log that is rewound just then gives nothing, and no zeros`, async (t, engine) => {
    sameBytes(t, Buffer.concat(await read(rewoundAfterTell(t, engine))), Buffer.alloc(0))
  })
}

eachEngine('closing ends an iteration with an error', (t, engine) => {
  for (const size of [127, MiB]) {
    const { log } = newLog(t, engine, 4 * MiB)
    log.append(pattern(3_000_000))
    const chunks = log.chunks(size)[Symbol.iterator]()
    t.is(chunks.next().value.length, size)
    log.close()
    refuses(t, 'ERR_PMEM_CLOSED', () => chunks.next())
    refuses(t, 'ERR_PMEM_CLOSED', () => log.chunks(size))
  }
})

eachEngine('walks can be nested, and each iteration starts anew', (t, engine) => {
  const { log } = newLog(t, engine)
  log.append('abc')
  const pairs: string[] = []
  log.walk((outer) => log.walk((inner) => void pairs.push(`${outer}${inner}`), 1), 1)
  t.is(pairs.join(' '), 'aa ab ac ba bb bc ca cb cc')
  const chunks = log.chunks(2)
  t.deepEqual([...chunks].map(String), ['ab', 'c'])
  log.append('d')
  t.deepEqual([...chunks].map(String), ['ab', 'cd'])
  for (const chunk of chunks) {
    t.is(chunk.toString(), 'ab')
    break
  }
  const early = log.chunks(2)[Symbol.iterator]()
  log.append('e')
  t.is(early.next().value.toString(), 'ab')
})

eachEngine('chunks stay what they were', (t, engine) => {
  const { log } = newLog(t, engine)
  log.append('abcdef')
  const [first, second, third] = log.chunks(2)
  first!.fill('x')
  t.is(`${second}${third}`, 'cdef')
  log.rewind()
  log.append('ghijkl')
  log.close()
  t.is(`${first}${second}${third}`, 'xxcdef')
})

eachEngine('chunks and reads are Buffers like any other', (t, engine) => {
  const { log } = newLog(t, engine)
  log.append('abcdef')
  for (const two of [walked(log, 2)[1], [...log.chunks(2)][1], log.read(2, 2)]) {
    t.true(Buffer.isBuffer(two))
    t.is(Object.getPrototypeOf(two), Buffer.prototype)
    t.is(two!.constructor, Buffer)
    t.deepEqual(two, Buffer.from('cd'))
    t.true(two!.equals(Buffer.from('cd')))
    t.is(`${two} ${two!.toString('hex')} ${two!.subarray(1)}`, 'cd 6364 d')
    t.is(JSON.stringify(two), JSON.stringify(Buffer.from('cd')))
    t.deepEqual([...structuredClone(two!)], [0x63, 0x64])
  }
})

eachEngine('whoever transfers what was read empties nothing else', (t, engine) => {
  const { log } = newLog(t, engine)
  const data = pattern(100_000)
  log.append(data)
  const reads = () => [0, 1, 2, 3].map((index) => log.read(index * 4096, 4096))
  for (const pieces of [walked(log, 4096), [...log.chunks(64)], [...log.chunks(40_000)], [...log], reads()]) {
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
    const moved = pieces[1]!
    const before = Buffer.from(moved)
    try {
      structuredClone(moved, { transfer: [moved.buffer as ArrayBuffer] })
    } catch (error) {
      t.is((error as Error).name, 'DataCloneError')
    }
    pieces[1] = before
    sameBytes(t, Buffer.concat(pieces), data.subarray(0, length))
  }
  sameBytes(t, log.read(0, 4096), data.subarray(0, 4096))
})

eachEngine('a chunk that is a copy of its own can be transferred', (t, engine) => {
  const { log } = newLog(t, engine, 4 * MiB)
  log.append(pattern(3 * MiB))
  for (const chunk of [...walked(log, MiB), ...log.chunks(MiB), log.read(0, 65_536)]) {
    const { length } = chunk
    t.is(structuredClone(chunk, { transfer: [chunk.buffer as ArrayBuffer] }).length, length)
    t.is(chunk.length, 0)
  }
})

eachEngine('an iteration can be ended and started by hand, as a generator', (t, engine) => {
  const { log } = newLog(t, engine)
  log.append('abcdef')
  const next = (chunks: Iterator<Buffer>) => {
    const { value, done } = chunks.next()
    return done ? value : String(value)
  }
  const start = () => log.chunks(2)[Symbol.iterator]() as IterableIterator<Buffer>
  const chunks = start()
  t.is(chunks[Symbol.iterator](), chunks)
  t.is(next(chunks), 'ab')
  const kept = chunks.next()
  t.deepEqual([next(chunks), String(kept.value)], ['ef', 'cd'])
  for (const _ of [1, 2]) t.deepEqual(chunks.next(), { value: undefined, done: true })

  const returned = start()
  next(returned)
  t.deepEqual(returned.return!('value'), { value: 'value', done: true })
  t.deepEqual(returned.next(), { value: undefined, done: true })

  const thrown = start()
  const error = new Error('inside')
  t.is(t.throws(() => thrown.throw!(error)), error)
  t.true(thrown.next().done)

  const broken = start()
  for (const chunk of broken) {
    t.is(String(chunk), 'ab')
    break
  }
  t.true(broken.next().done)

  const closed = start()
  const rest = start()
  next(closed)
  for (const _ of [1, 2, 3]) next(rest)
  log.close()
  refuses(t, 'ERR_PMEM_CLOSED', () => closed.next())
  t.true(closed.next().done)
  t.true(rest.next().done)
})

eachEngine('iterators have what the runtime gives to all iterators', (t, engine) => {
  const { log } = newLog(t, engine)
  log.append('abcdef')
  const all = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())) as object
  for (const iterator of [log[Symbol.iterator](), log.chunks(2)[Symbol.iterator]()]) t.true(Object.prototype.isPrototypeOf.call(all, iterator))
  if (!('map' in all)) return
  const chunks = log.chunks(2)[Symbol.iterator]() as unknown as { map(by: (chunk: Buffer) => string): { toArray(): string[] } }
  t.deepEqual(chunks.map(String).toArray(), ['ab', 'cd', 'ef'])
})

eachEngine('a walk without a callback, or by no size, is refused', (t, engine) => {
  const { log } = newLog(t, engine)
  log.append('abc')
  for (const wrong of [5, 'text', undefined, null, {}, Symbol('s')] as never[]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.walk(wrong))
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.walk(wrong, 1))
  }
  const never = () => t.fail()
  for (const wrong of ['1', ...nothings.filter((value) => value !== undefined)] as never[]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.walk(never, wrong))
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.chunks(wrong))
  }
  refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.chunks(undefined as never))
  for (const wrong of [-1, -1n, 0.5, NaN, Infinity, 2 ** 53, 2n ** 70n]) {
    refuses(t, 'ERR_OUT_OF_RANGE', () => log.walk(never, wrong))
    refuses(t, 'ERR_OUT_OF_RANGE', () => log.chunks(wrong))
  }
  refuses(t, 'ERR_OUT_OF_RANGE', () => log.chunks(0))
})

/** A log of 5 GiB, almost all holes, that says that it holds `length` bytes of zeros. */
function largeLog(t: ExecutionContext, engine: EngineName, length: number): { log: pmemlog.Log; path: string } {
  const path = file(t)
  pmemlog.create(path, pmemlog.MIN_POOL, { engine }).close()
  growLog(path, 5 * GiB)
  pokeTell(path, length)
  const log = pmemlog.open(path, { engine })
  t.teardown(() => log.close())
  return { log, path }
}

for (const place of [2 ** 31, 2 ** 32]) {
  eachEngine(`offsets beyond ${place} are right`, async (t, engine) => {
    const start = place - 5
    const { log, path } = largeLog(t, engine, start)
    t.is(log.nbyte(), 5 * GiB - 8192)
    t.is(log.tell(), start)
    const record = pattern(100_000)
    log.append('0123456789')
    log.appendv(['abc', 'def'])
    log.appendMany([record, record])
    await log.appendAsync('async')
    const end = start + 16 + 200_000 + 5
    const isThere = (log: pmemlog.Log) => {
      t.is(log.tell(), end)
      t.is(log.read(start, 16).toString(), '0123456789abcdef')
      t.is(log.read(BigInt(start) - 3n, 6n).toString(), '\0\0\x00012')
      sameBytes(t, log.read(start + 16 + 100_000, 100_000), record)
      t.is(log.read(end - 5, 5).toString(), 'async')
      refuses(t, 'ERR_OUT_OF_RANGE', () => log.read(end - 5, 6))
      refuses(t, 'ERR_OUT_OF_RANGE', () => log.read(end + 1, 0))
    }
    isThere(log)
    const streamed: Buffer[] = []
    for await (const chunk of log.createReadStream({ start: place - 2, end: place + 1 })) streamed.push(chunk)
    t.is(Buffer.concat(streamed).toString(), '3456')
    let calls = 0
    log.walk((chunk) => {
      calls += 1
      t.is(chunk.length, 4096)
      return false
    }, 4096)
    t.is(calls, 1)
    log.close()
    t.true(pmemlog.check(path))
    using again = pmemlog.open(path, { engine })
    isThere(again)
    again.rewind()
    again.append('start')
    t.is(contents(again).toString(), 'start')
  })
}

eachEngine('a log that is too large for one Buffer is walked by chunks', (t, engine) => {
  const { log } = largeLog(t, engine, 5 * GiB - 8192 - 10)
  const everything = () => log.walk(() => t.fail())
  // Where Buffers have no limit to speak of there is nothing to refuse.
  if (log.tell() > constants.MAX_LENGTH) refuses(t, 'ERR_OUT_OF_RANGE', everything, { message: /chunkSize/ })
  refuses(t, 'ERR_OUT_OF_RANGE', () => log.read(0, 5 * GiB))
  const [first] = log.chunks(10)
  t.deepEqual(first, Buffer.alloc(10))
  refuses(t, 'ENOSPC', () => log.append('0123456789a'))
  log.append('0123456789')
  t.is(log.tell(), log.nbyte())
  refuses(t, 'ENOSPC', () => log.append('x'))
  t.is(log.read(log.nbyte() - 11, 11).toString(), '\x000123456789')
})

eachEngine('100,000 records are walked as they were appended', (t, engine) => {
  const { log } = newLog(t, engine, 16 * MiB)
  const record = (index: number): string => String(index).padStart(63, '.') + '\n'
  const count = durableIsCheap ? 100_000 : 1_000
  for (let index = 0; index < count; index += 1) log.append(record(index))
  let next = 0
  log.walk((chunk) => {
    if (chunk.toString() !== record(next)) t.fail(`record ${next} is ${chunk}`)
    next += 1
  }, 64)
  t.is(next, count)
  const lines = contents(log).toString().split('\n')
  t.is(lines.pop(), '')
  t.true(lines.every((line, index) => `${line}\n` === record(index)))
  t.is(lines.length, count)
})

eachEngine('an async callback is refused: nothing would wait for it', (t, engine) => {
  const { log } = newLog(t, engine)
  log.append('1234')
  for (const chunkSize of [0, 1]) {
    let calls = 0
    const callback = async () => {
      calls += 1
      return await Promise.resolve(false)
    }
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.walk(callback, chunkSize), { message: /"callback".*chunks/ })
    t.is(calls, 1)
  }
})
