/** Logs that are read while another process writes them, and followed. */

import { chmodSync } from 'node:fs'
import { dirname } from 'node:path'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { pmemlog } from 'pmem'
import { eachEngineWithC, holdInC, inC } from './helpers/pools-c.js'
import { type EngineName, contents, eachEngine, engines, file, newLog, pattern, refuses, sameBytes } from './helpers/pools.js'
import { type Peer, elsewhere, startProcess, startWorker } from './helpers/pools-peers.js'

const isLinux = process.platform === 'linux'

/** A test over each engine of a writer in another process. */
const eachWriter: typeof eachEngine = (title, body) => {
  if (isLinux) eachEngine(title, body)
  else test.skip(`${title} (skipped: readers beside a writer are Linux's)`, () => {})
}

/** Makes a log in a peer, which keeps it open for writing. */
async function writtenBy(peer: Peer, path: string, engine: EngineName): Promise<void> {
  await peer.run(
    ({ pmemlog, kept, fs }, path, engine) => {
      kept.log = fs.existsSync(path) ? pmemlog.open(path, { engine }) : pmemlog.create(path, pmemlog.MIN_POOL, { engine })
    },
    path,
    engine,
  )
}

const append = (peer: Peer, text: string) => peer.run(({ kept }, text) => kept.log.append(text) as void, text)
const leave = (peer: Peer) => peer.run(({ kept }) => kept.log.close() as void)

/** The next of an iterator as text; 'done' at its end. */
async function next(chunks: AsyncIterator<Buffer>): Promise<string> {
  const { value, done } = await chunks.next()
  return done ? 'done' : String(value)
}

/** The name of what a promise rejects with, which need not be an error to the test runner. */
const nameOf = (promise: Promise<unknown>) => promise.then(() => 'none', ({ name }: Error) => name)

/** What comes until there are so many bytes. */
async function collect(log: pmemlog.Log, length: number, options?: pmemlog.LogFollowOptions): Promise<Buffer> {
  const found: Buffer[] = []
  let count = 0
  for await (const chunk of log.follow(options)) {
    found.push(chunk)
    count += chunk.length
    if (count >= length) break
  }
  return Buffer.concat(found)
}

eachWriter('a log is read while another process writes it', async (t, engine) => {
  const path = file(t)
  const writer = startProcess(t)
  await writtenBy(writer, path, engine)
  await append(writer, 'one')
  t.true(pmemlog.check(path))
  using log = pmemlog.open(path, { readonly: true })
  t.deepEqual([log.engine, log.readonly, log.tell(), contents(log).toString()], ['rust', true, 3, 'one'])
  await append(writer, 'two')
  t.deepEqual([...log.chunks(2)].map(String), ['on', 'et', 'wo'])
  const walked: string[] = []
  log.walk((chunk) => walked.push(chunk.toString()))
  t.deepEqual(walked, ['onetwo'])
  refuses(t, 'EROFS', () => log.append('x'), { path, message: /readonly/ })
  refuses(t, 'EAGAIN', () => pmemlog.open(path), { path })
  using again = pmemlog.open(path, { readonly: true })
  t.is(again.tell(), 6)
  t.true(await elsewhere(({ pmemlog }, path) => pmemlog.check(path), path))
  t.is(await elsewhere(({ pmemlog }, path) => pmemlog.open(path, { readonly: true }).read(3, 3).toString(), path), 'two')
})

eachWriter('a rewind beside readers of other processes is refused, and goes once they are gone', async (t, engine) => {
  const { log, path } = newLog(t, engine)
  log.append('content')
  const reader = startProcess(t)
  await reader.run(({ pmemlog, kept }, path) => void (kept.log = pmemlog.open(path, { readonly: true })), path)
  refuses(t, 'EAGAIN', () => log.rewind(), { path, syscall: 'pmemlog_rewind', message: /readonly/ })
  log.append(' more')
  t.is(await reader.run(({ kept }) => kept.log.read(0, 12).toString() as string), 'content more')
  await reader.run(({ kept }) => kept.log.close() as void)
  log.rewind()
  t.is(log.tell(), 0)
  log.append('new')
  const other = startProcess(t)
  await other.run(({ pmemlog, kept }, path) => void (kept.log = pmemlog.open(path, { readonly: true })), path)
  refuses(t, 'EAGAIN', () => log.rewind())
  await other.kill()
  log.rewind()
})

for (const how of ['closes it', 'is killed'] as const) {
  eachWriter(`a reader goes on when the writer ${how}, and keeps others away`, async (t, engine) => {
    const path = file(t)
    const writer = startProcess(t)
    await writtenBy(writer, path, engine)
    using log = pmemlog.open(path, { readonly: true })
    await append(writer, 'content')
    t.is(log.tell(), 7)
    await append(writer, ', and its end')
    await (how === 'is killed' ? writer.kill() : leave(writer))
    t.is(contents(log).toString(), 'content, and its end')
    const opened = await elsewhere(
      ({ pmemlog }, path) => {
        try {
          pmemlog.open(path).close()
          return 'opened'
        } catch (error) {
          return (error as NodeJS.ErrnoException).code
        }
      },
      path,
    )
    t.is(opened, 'EAGAIN')
    log.close()
    using again = pmemlog.open(path, { engine })
    t.is(again.tell(), 20)
  })

  eachWriter(`a follower goes on with the next writer after the one ${how}`, async (t, engine) => {
    const path = file(t)
    const [first, second] = [startProcess(t), startProcess(t)]
    await writtenBy(first, path, engine)
    await append(first, 'one')
    using log = pmemlog.open(path, { readonly: true })
    const chunks = log.follow()[Symbol.asyncIterator]()
    t.is(await next(chunks), 'one')
    const [coming] = [next(chunks)]
    await (how === 'is killed' ? first.kill() : leave(first))
    // Long enough for the follower to have locked the log for itself.
    await sleep(150)
    await writtenBy(second, path, engine)
    await append(second, 'two')
    t.is(await coming, 'two')
    await t.throwsAsync(second.run(({ kept }) => kept.log.rewind() as void), { code: 'EAGAIN' })
    await append(second, 'three')
    t.is(await next(chunks), 'three')
  })
}

eachWriter('a reader that looks after the next writer came goes on beside it', async (t, engine) => {
  const path = file(t)
  const [first, second] = [startProcess(t), startProcess(t)]
  await writtenBy(first, path, engine)
  using log = pmemlog.open(path, { readonly: true })
  await append(first, 'one')
  await first.kill()
  await writtenBy(second, path, engine)
  await append(second, 'two')
  t.is(contents(log).toString(), 'onetwo')
  await t.throwsAsync(second.run(({ kept }) => kept.log.rewind() as void), { code: 'EAGAIN' })
})

eachEngineWithC('a log that C has open is not read, and C does not open one that is written or read', async (t, engine) => {
  const { log, path } = newLog(t, engine)
  log.append('content')
  t.deepEqual(inC('log', ['open', path]), ['error EAGAIN'])
  log.close()
  const close = await holdInC(t, 'log', ['open', path])
  refuses(t, 'EAGAIN', () => pmemlog.open(path, { readonly: true }), { path, message: /another process/ })
  refuses(t, 'EAGAIN', () => pmemlog.check(path))
  await close()
  using reader = pmemlog.open(path, { readonly: true })
  t.is(contents(reader).toString(), 'content')
  t.deepEqual(inC('log', ['open', path]), ['error EAGAIN'])
})

eachEngineWithC('a reader ends where C opens the log once its writer has left', async (t, engine) => {
  if (!isLinux) {
    t.pass()
    return
  }
  const path = file(t)
  const writer = startProcess(t)
  await writtenBy(writer, path, engine)
  await append(writer, 'content')
  using log = pmemlog.open(path, { readonly: true })
  t.is(log.tell(), 7)
  t.deepEqual(inC('log', ['open', path]), ['error EAGAIN'])
  await leave(writer)
  const close = await holdInC(t, 'log', ['open', path])
  refuses(t, 'EAGAIN', () => log.tell(), { path, message: /another program/ })
  refuses(t, 'EAGAIN', () => log.read(0, 1), { path })
  refuses(t, 'EAGAIN', () => [...log])
  await t.throwsAsync(collect(log, 1), { code: 'EAGAIN' })
  await close()
  refuses(t, 'EAGAIN', () => log.tell(), { path, message: /open it again/ })
  log.close()
  using again = pmemlog.open(path, { readonly: true })
  t.is(contents(again).toString(), 'content')
})

eachEngineWithC('a follower keeps C away once its writer has left', async (t, engine) => {
  if (!isLinux) {
    t.pass()
    return
  }
  const path = file(t)
  const writer = startProcess(t)
  await writtenBy(writer, path, engine)
  using log = pmemlog.open(path, { readonly: true })
  const coming = collect(log, 3)
  await leave(writer)
  await sleep(150)
  t.deepEqual(inC('log', ['open', path]), ['error EAGAIN'])
  await writtenBy(writer, path, engine)
  await append(writer, 'one')
  t.is(String(await coming), 'one')
})

eachWriter('a log that may only be read is read beside its writer', async (t, engine) => {
  const { log, path } = newLog(t, engine)
  log.append('content')
  chmodSync(path, 0o444)
  chmodSync(dirname(path), 0o755)
  const user = startProcess(t)
  const seen = await user.run(
    ({ pmemlog, kept }, folder, path) => {
      process.chdir(folder)
      process.setuid?.(65534)
      kept.log = pmemlog.open(path, { readonly: true })
      try {
        pmemlog.open(path)
      } catch (error) {
        return [kept.log.read(0, 7).toString(), (error as NodeJS.ErrnoException).code]
      }
      return 'opened for writing'
    },
    dirname(path),
    'pool',
  )
  t.deepEqual(seen, ['content', process.getuid?.() === 0 ? 'EACCES' : 'EAGAIN'])
  log.append(' more')
  t.is(await user.run(({ kept }) => kept.log.tell() as number), 12)
  refuses(t, 'EAGAIN', () => log.rewind())
})

eachWriter('readers see whole records, in order, of a writer that does not wait for them', async (t, engine) => {
  const path = file(t)
  const writer = startProcess(t)
  await writtenBy(writer, path, engine)
  const [length, count] = [1000, 1000]
  const written = writer.run(
    ({ kept }, length, count) => {
      for (let index = 0; index < count; index += 1) kept.log.append(Buffer.alloc(length, index))
    },
    length,
    count,
  )
  using log = pmemlog.open(path, { readonly: true })
  for (let seen = 0; seen < length * count; ) {
    const end = log.tell()
    t.is(end % length, 0)
    const bytes = log.read(seen, end - seen)
    for (let offset = 0; offset < bytes.length; offset += length) {
      const record = bytes.subarray(offset, offset + length)
      const isWhole = record.equals(Buffer.alloc(length, (seen + offset) / length))
      if (!isWhole) return void t.fail(`the record at ${seen + offset}`)
    }
    seen = end
  }
  await written
})

eachEngine('in one process a readonly handle shares the log', async (t, engine) => {
  const { log, path } = newLog(t, engine)
  log.append('one')
  using reader = pmemlog.open(path, { readonly: true })
  using same = pmemlog.open(path, { readonly: true, engine })
  t.deepEqual([reader.engine, reader.readonly, log.readonly, same.tell()], [engine, true, false, 3])
  log.append('two')
  t.is(contents(reader).toString(), 'onetwo')
  const hint = { path, message: /readonly/ }
  refuses(t, 'EROFS', () => reader.append('x'), hint)
  refuses(t, 'EROFS', () => reader.append(Buffer.alloc(100_000)), hint)
  refuses(t, 'EROFS', () => reader.appendMany(['x']), hint)
  refuses(t, 'EROFS', () => reader.rewind(), hint)
  await t.throwsAsync(reader.appendAsync('x'), { code: 'EROFS' })
  const worker = startWorker(t)
  const seen = worker.run(({ pmemlog }, path) => pmemlog.open(path, { readonly: true }).read(0, 6).toString(), path)
  t.is(await seen, 'onetwo')
  await worker.kill()
  log.rewind()
  t.is(reader.tell(), 0)
  log.close()
  // The last handle closes the log, whichever it is.
  t.is(reader.tell(), 0)
  refuses(t, 'EAGAIN', () => pmemlog.check(path))
})

test('a log that is open readonly in this process is not opened for writing', (t) => {
  const path = file(t)
  pmemlog.create(path).close()
  using reader = pmemlog.open(path, { readonly: true })
  refuses(t, 'EAGAIN', () => pmemlog.open(path), { path, message: /readonly/ })
  t.is(reader.tell(), 0)
})

eachEngine('follow gives what is there and what comes', async (t, engine) => {
  const { log } = newLog(t, engine)
  log.append('content')
  const parts = log.follow({ chunk: 3 })[Symbol.asyncIterator]()
  t.deepEqual([await next(parts), await next(parts), await next(parts)], ['con', 'ten', 't'])
  const [coming, started] = [next(parts), Date.now()]
  await sleep(200)
  log.append('more')
  t.is(await coming, 'mor')
  t.true(Date.now() - started >= 200)
  const late = log.follow({ from: 9 })[Symbol.asyncIterator]()
  t.is(await next(late), 're')
  const behind = log.follow({ from: 13 })[Symbol.asyncIterator]()
  const first = next(behind)
  log.append('2')
  await log.appendAsync('34')
  t.is(await first, '4')
  t.is(await next(late), '234')
})

for (const engine of engines) {
  // Alone, since it measures.
  test.serial(`${engine}: follow tells of appends of this process and its workers at once`, async (t) => {
    const { log, path } = newLog(t, engine)
    using reader = pmemlog.open(path, { readonly: true })
    const worker = startWorker(t)
    await worker.run(({ pmemlog, kept }, path) => void (kept.log = pmemlog.open(path)), path)
    const chunks = reader.follow()[Symbol.asyncIterator]()
    const waits: number[] = []
    for (let turn = 0; turn < 11; turn += 1) {
      const coming = next(chunks)
      // By then it looks each 50 ms.
      await sleep(120)
      const before = performance.now()
      if (turn % 2 === 0) log.append('here')
      else await worker.run(({ kept }) => kept.log.append('there') as void)
      t.is(await coming, turn % 2 === 0 ? 'here' : 'there')
      waits.push(performance.now() - before)
    }
    t.true(waits.toSorted((one, other) => one - other)[5]! < 15, waits.join(' '))
  })
}

eachEngine('a worker follows', async (t, engine) => {
  const { log, path } = newLog(t, engine)
  const worker = startWorker(t)
  const text = worker.run(async ({ pmemlog }, path) => {
    let text = ''
    for await (const chunk of pmemlog.open(path, { readonly: true }).follow()) {
      text += chunk.toString()
      if (text.endsWith('.')) break
    }
    return text
  }, path)
  log.append('one, ')
  await sleep(100)
  log.append('two.')
  t.is(await text, 'one, two.')
  // One that ends while it waits leaves nothing that is called.
  const other = startWorker(t)
  await other.run(({ pmemlog, kept }, path) => void (kept.next = pmemlog.open(path).follow({ from: 9 })[Symbol.asyncIterator]().next()), path)
  await other.kill()
  log.append('three')
  t.is(log.tell(), 14)
})

eachWriter('follow gives what another process appends', async (t, engine) => {
  const path = file(t)
  const writer = startProcess(t)
  await writtenBy(writer, path, engine)
  using log = pmemlog.open(path, { readonly: true })
  const [length, count] = [10_000, 150]
  const coming = collect(log, length * count, { chunk: 4096 })
  await writer.run(
    async ({ kept }, length, count) => {
      for (let index = 0; index < count; index += 1) {
        if (index % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 30))
        kept.log.append(Buffer.alloc(length, index))
      }
    },
    length,
    count,
  )
  sameBytes(t, await coming, Buffer.concat(Array.from({ length: count }, (_, index) => Buffer.alloc(length, index))))
})

test('a signal ends following with its reason', async (t) => {
  const { log } = newLog(t, 'rust')
  log.append('content')
  const reason = new Error('enough')
  const controller = new AbortController()
  const { signal } = controller
  const follow = async (options: pmemlog.LogFollowOptions) => {
    for await (const chunk of log.follow(options)) t.is(String(chunk), 'content')
  }
  const following = follow({ signal })
  setTimeout(() => controller.abort(reason), 60)
  t.is(await t.throwsAsync(following), reason)
  t.is(await t.throwsAsync(follow({ signal })), reason)
  t.is(await nameOf(follow({ signal: AbortSignal.timeout(20) })), 'TimeoutError')
  const later = new AbortController()
  const chunks = log.follow({ signal: later.signal })[Symbol.asyncIterator]()
  t.is(await next(chunks), 'content')
  later.abort()
  t.is(await nameOf(next(chunks)), 'AbortError')
  t.is(await next(chunks), 'done')
})

test('closing the handle, or leaving the loop, ends following', async (t) => {
  const { log, path } = newLog(t, 'rust')
  log.append('content')
  const other = pmemlog.open(path)
  const [one, two] = [log.follow()[Symbol.asyncIterator](), other.follow()[Symbol.asyncIterator]()]
  t.deepEqual([await next(one), await next(two)], ['content', 'content'])
  const [first, second] = [next(one), next(two)]
  await sleep(20)
  other.close()
  t.is(await second, 'done')
  log.append('!')
  t.is(await first, '!')
  const pending = next(one)
  t.deepEqual(await one.return!(), { value: undefined, done: true })
  t.is(await pending, 'done')
  refuses(t, 'ERR_PMEM_CLOSED', () => other.follow())
  const chunks = log.follow()
  log.close()
  t.is(await next(chunks[Symbol.asyncIterator]()), 'done')
})

eachEngine('a handle that was followed and that nobody has any more is closed', async (t, engine) => {
  const path = file(t)
  pmemlog.create(path, pmemlog.MIN_POOL, { engine }).close()
  const drop = () => {
    const log = pmemlog.open(path, { engine })
    void collect(log, 1, { signal: AbortSignal.timeout(20) }).catch(() => {})
    return new WeakRef(log)
  }
  const dropped = [drop(), drop()]
  refuses(t, 'EAGAIN', () => pmemlog.check(path))
  while (dropped.some((log) => log.deref())) {
    // What was looked at stays until this turn ends.
    await setImmediate()
    globalThis.gc!()
    await setImmediate()
  }
  await setImmediate()
  t.true(pmemlog.check(path))
})

eachEngine('a rewind ends following with an error', async (t, engine) => {
  const { log, path } = newLog(t, engine)
  log.append('content')
  using reader = pmemlog.open(path, { readonly: true })
  const chunks = reader.follow()[Symbol.asyncIterator]()
  t.is(await next(chunks), 'content')
  const coming = next(chunks)
  await sleep(20)
  log.rewind()
  log.append('other content')
  await t.throwsAsync(coming, { code: 'ERR_PMEM_GAP', message: /rewound/ })
  t.is(await next(chunks), 'done')
  t.is(String(await collect(reader, 1)), 'other content')
})

test('following a long log leaves the event loop its turns', async (t) => {
  const { log } = newLog(t, 'rust', 32 << 20)
  const bytes = pattern(24 << 20)
  log.append(bytes)
  let turns = 0
  const timer = setInterval(() => (turns += 1), 1)
  sameBytes(t, await collect(log, bytes.length, { chunk: 1000 }), bytes)
  clearInterval(timer)
  t.true(turns > 0)
})

test('follow checks its arguments at the call', (t: ExecutionContext) => {
  const { log } = newLog(t, 'rust')
  refuses(t, 'ERR_OUT_OF_RANGE', () => log.follow({ from: -1 }))
  refuses(t, 'ERR_OUT_OF_RANGE', () => log.follow({ from: log.nbyte() + 1 }))
  refuses(t, 'ERR_OUT_OF_RANGE', () => log.follow({ chunk: 0 }))
  refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.follow({ chunk: '5' as never }))
  refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.follow({ signal: {} as never }))
  refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.follow({ signal: null as never }))
  refuses(t, 'ERR_INVALID_ARG_VALUE', () => log.follow({ start: 5 } as never))
})
