/** The examples, each in processes of its own. The main one is tested with the documentation. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { journal, objects, pmemblk } from 'pmem'
import { makeFirst, openBook } from '../examples/address-book.js'
import { PageCache } from '../examples/block-cache.js'
import { type Electron, main as electronMain } from '../examples/electron-main.js'
import { Settings } from '../examples/settings.js'
import { compile, step, verify } from '../examples/wasm-heap/main.js'
import { Store } from '../examples/write-ahead-log.js'
import { throws } from './helpers/errors.js'
import { file, folder } from './helpers/files.js'
import { ended, root } from './helpers/programs.js'

/** The compiled file of an example. */
function example(name: string): string {
  return join(root, 'build/examples', `${name}.js`)
}

/** Runs an example to its end, asserts that it went well, and gives the lines that it printed. */
async function lines(t: ExecutionContext, name: string, ...args: readonly string[]): Promise<string[]> {
  const { status, stdout, stderr } = await ended(process.execPath, [example(name), ...args])
  t.is(status, 0, stderr)
  return wholeLines(stdout)
}

/** Runs an example that must fail, and gives what it printed about that. */
async function failure(t: ExecutionContext, name: string, ...args: readonly string[]): Promise<string> {
  const { status, stderr } = await ended(process.execPath, [example(name), ...args])
  t.is(status, 1)
  return stderr
}

/** Starts an example, kills it after some time or once it has printed some lines, and gives the lines that it printed. */
async function killed(when: { time?: number; count?: number }, name: string, ...args: readonly string[]): Promise<string[]> {
  const child = spawn(process.execPath, [example(name), ...args], { stdio: ['ignore', 'pipe', 'ignore'] })
  const timer = setTimeout(() => child.kill('SIGKILL'), when.time ?? 60_000)
  let [printed, ends] = ['', 0]
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text
    ends += text.split('\n').length - 1
    if (when.count !== undefined && ends >= when.count) child.kill('SIGKILL')
  })
  await once(child, 'close')
  clearTimeout(timer)
  return wholeLines(printed)
}

/** The lines of a text that were printed to their end. */
function wholeLines(text: string): string[] {
  return text.split('\n').slice(0, -1)
}

/** The number in the last of some lines; 0 where it has none. */
function lastNumber(printed: readonly string[]): number {
  return Number(/number (\d+)/.exec(printed.at(-1) ?? '')?.[1] ?? 0)
}

/** A test of the counter, whose file is missing yet. */
function counting(body: (t: ExecutionContext, path: string) => Promise<void>): (t: ExecutionContext) => Promise<void> {
  return (t) => body(t, join(folder(t), 'counter'))
}

test(
  'the counter goes on from where it stopped',
  counting(async (t, path) => {
    t.deepEqual(await lines(t, 'counter', path), ['counted to 1'])
    t.deepEqual(await lines(t, 'counter', path, '3'), ['counted to 2', 'counted to 3', 'counted to 4'])
    const bytes = readFileSync(path)
    t.is(bytes.toString('latin1', 0, 8), 'COUNTER1')
    t.is(bytes.readBigUInt64LE(8), 4n)
  }),
)

test(
  'processes that count at once miss nothing',
  counting(async (t, path) => {
    const printed = await Promise.all([1, 2, 3].map(() => lines(t, 'counter', path, '200')))
    const counted = printed.flat().map((line) => Number(line.replace('counted to ', '')))
    t.deepEqual(counted.toSorted((one, other) => one - other), Array.from({ length: 600 }, (_, index) => index + 1))
  }),
)

test(
  'a counter that is killed has what it printed',
  counting(async (t, path) => {
    const printed = await killed({ count: 50 }, 'counter', path, '1000000')
    const last = Number(printed.at(-1)?.replace('counted to ', ''))
    const next = Number((await lines(t, 'counter', path))[0]?.replace('counted to ', ''))
    // More may have been counted than came through.
    t.true(last >= 50 && next > last, `${last}, then ${next}`)
  }),
)

test('the counter changes no file that is not its own', async (t) => {
  for (const content of ['Dear reader', 'x'.repeat(4096), 'x'.repeat(5000)]) {
    const path = file(t, content)
    const { status } = await ended(process.execPath, [example('counter'), path])
    t.is(status, 1)
    t.is(readFileSync(path, 'utf8'), content)
  }
})

test('the store has what it had, in the next process', async (t) => {
  const path = join(folder(t), 'store')
  const first = await lines(t, 'write-ahead-log', path, '3')
  t.deepEqual(first, ['found 0 values; the last was number 0', ...[1, 2, 3].map((number) => `number ${number} is durable`)])
  t.deepEqual(await lines(t, 'write-ahead-log', path, '0'), ['found 4 values; the last was number 3'])
})

test('the store has all that it acknowledged when it is killed, before a checkpoint and after', async (t) => {
  const path = join(folder(t), 'store')
  let acknowledged = 0
  for (const count of [50, 150, 1, 200]) {
    const printed = await killed({ count }, 'write-ahead-log', path, '1000000')
    // More may have been set than came through.
    t.true(lastNumber(printed.slice(0, 1)) >= acknowledged, `${acknowledged}, then ${printed[0]}`)
    acknowledged = lastNumber(printed)
  }
  t.true(existsSync(join(path, 'values.json')))
  using store = new Store(path)
  const last = Number(store.values.get('last'))
  t.true(last >= acknowledged && last > 300)
  for (let key = 0; key < 100; key += 1) {
    const number = Number(/^number (\d+) \.{16000}$/.exec(store.values.get(`key ${key}`) ?? '')?.[1])
    t.is(number % 100, key)
    t.true(number > last - 100 && number <= last + 1, `key ${key} has number ${number}, the last is ${last}`)
  }
})

test('the store can be killed at any moment of its first seconds', async (t) => {
  for (let time = 20; time < 200; time += 15) {
    const path = join(folder(t), 'store')
    const acknowledged = lastNumber(await killed({ time }, 'write-ahead-log', path, '1000000'))
    const [found] = await lines(t, 'write-ahead-log', path, '0')
    const last = lastNumber([found ?? ''])
    t.true(last >= acknowledged, `killed after ${time} ms: ${acknowledged} and ${last}`)
  }
})

test('the store keeps what it was told, over checkpoints', (t) => {
  const path = folder(t)
  const expected = new Map<string, string>()
  for (let round = 0; round < 3; round += 1) {
    using store = new Store(path)
    t.deepEqual(store.values, expected)
    for (let number = 0; number < 100; number += 1) {
      const key = `${(number * 7) % 30} \0 "ключ"`
      const value = number % 5 === 0 ? null : `${round} ${number}`.repeat(4000)
      store.set(key, value)
      if (value === null) expected.delete(key)
      else expected.set(key, value)
    }
    store.checkpoint()
    store.set('after', String(round))
    expected.set('after', String(round))
  }
  using store = new Store(path)
  t.deepEqual(store.values, expected)
  const full = { code: 'ENOSPC', path: join(path, 'changes.log') }
  throws(t, full, () => store.set('too long', 'x'.repeat(3 << 20)))
  t.deepEqual(store.values, expected)
})

test('the store says that it is in use, and that it is damaged', async (t) => {
  const path = folder(t)
  {
    using store = new Store(path)
    store.set('one', '1')
    t.regex(await failure(t, 'write-ahead-log', path), /EAGAIN/)
  }
  const log = join(path, 'changes.log')
  const bytes = readFileSync(log)
  const payload = bytes.indexOf('["one"')
  bytes[payload + 2] = 'O'.charCodeAt(0)
  writeFileSync(log, bytes)
  t.regex(await failure(t, 'write-ahead-log', path), /the log is damaged at byte 0/)
  truncateSync(log, 100)
  t.regex(await failure(t, 'write-ahead-log', path), /ERR_PMEM_CORRUPT/)
})

test('the cache is warm in the next process', async (t) => {
  const path = join(folder(t), 'pages')
  const made = await lines(t, 'block-cache', path)
  t.deepEqual(
    made.map((line) => line.replace(/\d+$/, '')),
    ['a', 'b', 'c'].map((key) => `made: page ${key}, made by process `),
  )
  const again = await lines(t, 'block-cache', path, 'c', 'd', 'a')
  const cached = (line = '') => line.replace('made:', 'cached:')
  t.deepEqual([again[0], again[2]], [cached(made[2]), cached(made[0])])
  t.regex(again[1] ?? '', /^made: page d/)
})

test('the cache that is killed is whole', async (t) => {
  for (let time = 20; time < 500; time += 60) {
    const path = join(folder(t), 'pages')
    const made = await killed({ time }, 'block-cache', path)
    const again = await lines(t, 'block-cache', path)
    t.deepEqual(again.slice(0, made.length), made.map((line) => line.replace('made:', 'cached:')))
    t.is(again.length, 3)
  }
})

test('the cache forgets the oldest page, and what it cannot read', (t) => {
  const path = join(folder(t), 'pages')
  const page = (number: number) => Buffer.from(`page ${number}`.repeat(number % 9))
  const open = () => new PageCache(path, 32_000)
  let count = 0
  {
    using cache = open()
    cache.set('0', page(0))
    while (cache.get('0') !== undefined) {
      count += 1
      cache.set(String(count), page(count))
    }
    t.true(count > 200)
    t.throws(() => cache.set('long', Buffer.alloc(32_000)), { code: 'ERR_OUT_OF_RANGE' })
  }
  {
    using cache = open()
    t.is(cache.get('0'), undefined)
    for (let number = 1; number <= count; number += 1) t.deepEqual(cache.get(String(number)), page(number))
    cache.set('7', page(8))
    t.is(cache.get('1'), undefined)
  }
  {
    // Page n was the write of number n + 1, which went to the block of that index.
    using blocks = pmemblk.open(path)
    blocks.setError(4)
  }
  using cache = open()
  t.deepEqual(cache.get('7'), page(8))
  t.deepEqual(['1', '2', '3', '4'].map((key) => cache.get(key)), [undefined, page(2), undefined, page(4)])
  for (let number = 0; number < 5; number += 1) cache.set(`new ${number}`, page(number))
  for (let number = 0; number < 5; number += 1) t.deepEqual(cache.get(`new ${number}`), page(number))
  t.is(cache.get('4'), undefined)
})

test('the cache takes no file that is none', async (t) => {
  const path = file(t, 'Dear reader')
  t.regex(await failure(t, 'block-cache', path), /ERR_PMEM_CORRUPT/)
  t.is(readFileSync(path, 'utf8'), 'Dear reader')
})

test('the heap of the WebAssembly program is there in the next process', async (t) => {
  const path = join(folder(t), 'heap')
  const first = await lines(t, 'wasm-heap/main', path, '3')
  t.deepEqual(first, ['found 0 keys; the last was number 0', ...[1, 2, 3].map((number) => `number ${number} is durable`)])
  t.deepEqual(await lines(t, 'wasm-heap/main', path, '0'), ['found 3 keys; the last was number 3'])
})

test('the heap of the WebAssembly program has what it printed when it is killed', async (t) => {
  const path = join(folder(t), 'heap')
  let acknowledged = 0
  for (const count of [50, 150, 1, 200]) {
    const printed = await killed({ count }, 'wasm-heap/main', path, '1000000')
    // More may have been written than came through.
    t.true(lastNumber(printed.slice(0, 1)) >= acknowledged, `${acknowledged}, then ${printed[0]}`)
    acknowledged = lastNumber(printed)
  }
  const [found = ''] = await lines(t, 'wasm-heap/main', path, '0')
  t.true(found.startsWith('found 100 keys'), found)
  t.true(lastNumber([found]) >= acknowledged && acknowledged > 300)
})

test('the heap of the WebAssembly program is whole wherever the power fails', async (t) => {
  const instantiate = await compile()
  const WebAssembly = Reflect.get(globalThis, 'WebAssembly')
  /** What the medium has: only what was persisted. */
  let durable = new Uint8Array(2 << 16)
  /** Starts with what is durable and does `steps`, until the power fails instead of the nth persist. */
  const run = (nth: number, steps: number): boolean => {
    const memory = new WebAssembly.Memory({ initial: 2 })
    const bytes = new Uint8Array(memory.buffer)
    bytes.set(durable)
    let left = nth
    const persist = (offset: number, length: number) => {
      if (left === 0) throw new Error('the power failed')
      left -= 1
      durable.set(bytes.subarray(offset, offset + length), offset)
    }
    const heap = instantiate({ memory, persist })
    try {
      t.is(heap.open(), 1)
      verify(heap)
      for (let time = 0; time < steps; time += 1) step(heap)
      verify(heap)
      return true
    } catch (error) {
      t.is((error as Error).message, 'the power failed')
      return false
    }
  }
  for (const before of [0, 5, 99, 150]) {
    durable = new Uint8Array(2 << 16)
    t.true(run(Infinity, before))
    const start = durable
    for (let nth = 0, whole = false; !whole; nth += 1) {
      durable = start.slice()
      whole = run(nth, 3)
      t.true(run(Infinity, 3))
    }
  }
})

test('the WebAssembly program changes no file that is not its own', async (t) => {
  for (const content of ['Dear reader', 'x'.repeat(2 << 16)]) {
    const path = file(t, content)
    t.regex(await failure(t, 'wasm-heap/main', path), /holds something else/)
    t.is(readFileSync(path, 'utf8'), content)
  }
})

/** A service of an example in a process of its own, which is killed and started again, always on the same port. */
class Part {
  readonly #name: string
  readonly #args: readonly string[]
  readonly #rest: readonly string[]
  #child: ChildProcess | undefined
  port = '0'

  /** @param args its arguments before the port */
  constructor(name: string, args: readonly string[], ...rest: readonly string[]) {
    this.#name = name
    this.#args = args
    this.#rest = rest
  }

  async start(): Promise<void> {
    const args = [example(this.#name), ...this.#args, this.port, ...this.#rest]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#child = child
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    this.port = /on port (\d+)/.exec(line.toString())![1]!
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child!
    if (child.exitCode !== null || child.signalCode !== null) return
    const closed = once(child, 'close')
    child.kill(signal)
    await closed
  }

  /** Starts it again after it was killed. */
  async crash(): Promise<void> {
    await this.end()
    await this.start()
  }
}

test('the outbox loses nothing and handles nothing twice, whichever side is killed', async (t) => {
  const [outbox, inbox] = [join(folder(t), 'outbox'), join(folder(t), 'inbox')]
  const receiver = new Part('outbox', ['receiver', inbox])
  await receiver.start()
  const service = new Part('outbox', ['service', outbox], receiver.port)
  t.teardown(() => Promise.all([receiver.end(), service.end()]))
  await service.start()

  /** Sends messages until each is answered. One that was not answered may be there all the same, and comes twice then. */
  const answered = new Map<number, string>()
  const send = async (text: string) => {
    for (;;) {
      const response = await fetch(`http://127.0.0.1:${service.port}`, { method: 'POST', body: text }).catch(() => undefined)
      const answer = await response?.text().catch(() => undefined)
      if (response?.ok && answer !== undefined) return void answered.set(Number(answer), text)
      await pause(5)
    }
  }
  const sending = (async () => {
    for (let number = 0; number < 150; number += 1) await send(`message ${number}`)
  })()
  for (const part of [receiver, service, receiver, receiver, service]) {
    await pause(150)
    await part.crash()
  }
  await sending
  t.is(answered.size, 150)

  const count = Math.max(...answered.keys()) + 1
  const received = () => journal.check(inbox).records
  for (let left = 1000; left > 0 && received() < count; left -= 1) await pause(20)
  await Promise.all([receiver.end('SIGTERM'), service.end('SIGTERM')])
  const [sent, kept] = [journal.open(outbox), journal.open(inbox)]
  t.is(sent.cursor('receiver').position, sent.next)
  t.deepEqual(Array.from(kept, (record) => record.text()), Array.from(sent, (record) => record.text().toUpperCase()))
  for (const [sequence, text] of answered) t.is(kept.get(sequence)?.text(), text.toUpperCase())
  sent.close()
  kept.close()
})

/** Asks the to-do service. */
async function ask(part: Part, path: string, session?: string, body?: object): Promise<{ status: number; answer: any }> {
  const response = await fetch(`http://127.0.0.1:${part.port}${path}`, {
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
    headers: session === undefined ? {} : { session },
  })
  const text = await response.text()
  return { status: response.status, answer: response.ok ? JSON.parse(text) : text }
}

test('the to-do service has what it answered, and its sessions, after it was killed', async (t) => {
  const path = join(folder(t), 'todos')
  const part = new Part('todo-service', [path])
  t.teardown(() => part.end())
  await part.start()
  const { session } = (await ask(part, '/login', undefined, { user: 'ada' })).answer
  const other = (await ask(part, '/login', undefined, { user: 'bob' })).answer.session
  const days = Array.from({ length: 40 }, (_, index) => `20${99 - index}-01-01`)
  await Promise.all(days.map((due) => ask(part, '/todos', session, { text: `due ${due}`, due })))
  await part.crash()
  const { answer } = await ask(part, '/todos?limit=3', session)
  t.deepEqual(answer.map(({ text }: { text: string }) => text), ['due 2060-01-01', 'due 2061-01-01', 'due 2062-01-01'])
  t.is((await ask(part, `/todos/${answer[0].id}/done`, other, {})).status, 404)
  t.true((await ask(part, `/todos/${answer[0].id}/done`, session, {})).answer.done)
  t.is((await ask(part, '/todos', session, { text: 'never', due: 'someday' })).status, 400)
  t.is((await ask(part, '/todos', 'nobody')).status, 401)
  await part.crash()
  const left = (await ask(part, '/todos', session)).answer
  t.is(left.length, 39)
  t.is(left[0].text, 'due 2061-01-01')
  t.deepEqual((await ask(part, '/todos', other)).answer, [])
  await part.end('SIGTERM')
  t.true(objects.check(path).sound)
})

test('settings are there in the next run, and recent files in their order', async (t) => {
  const where = join(folder(t), 'settings')
  const run = async (...args: readonly string[]) => JSON.parse((await lines(t, 'settings', where, ...args)).at(-1)!)
  t.like(await run(), { theme: 'light', fontSize: 14, recent: [] })
  await run('set', 'theme', 'dark')
  await run('set', 'fontSize', '20')
  await run('open', ...Array.from({ length: 12 }, (_, index) => `${index}`), '5')
  const last = await run()
  t.like(last, { theme: 'dark', fontSize: 20, spelling: true, window: { x: 0, y: 0, width: 800, height: 600 } })
  t.deepEqual(last.recent, ['5', '11', '10', '9', '8', '7', '6', '4', '3', '2'])
  t.regex(await failure(t, 'settings', where, 'set', 'color', 'red'), /there is no setting color/)

  const settings = new Settings(where)
  t.is(settings.trouble, undefined)
  const changed = new Promise((resolve) => settings.onChange(resolve))
  settings.preferences.theme = 'light'
  settings.window = { ...settings.window, x: 7 }
  const alive = setInterval(() => {}, 1000)
  t.deepEqual(await changed, ['theme'])
  clearInterval(alive)
  t.regex(await failure(t, 'settings', where), /EAGAIN/)
  await settings.backup()
  settings.close()
})

test('settings that are damaged are those of the last backup', async (t) => {
  const where = join(folder(t), 'settings')
  await lines(t, 'settings', where, 'set', 'theme', 'dark')
  writeFileSync(join(where, 'settings.store'), 'Dear reader')
  const settings = new Settings(where)
  t.regex(settings.trouble!, /is damaged/)
  t.is(settings.preferences.theme, 'dark')
  settings.opened('a')
  t.deepEqual([...settings.recent], ['a'])
  settings.close()
  t.is(readFileSync(join(where, 'settings.store.damaged'), 'utf8'), 'Dear reader')
})

test('the address book opens what its first version has stored', async (t) => {
  const path = join(folder(t), 'book')
  await lines(t, 'address-book', 'first', path)
  const listed = ['Charles Babbage, 1791', 'Ada Lovelace, 1815', 'Plato, -']
  t.deepEqual(await lines(t, 'address-book', 'list', path), listed)
  t.deepEqual(await lines(t, 'address-book', 'list', path), listed)
  t.deepEqual((await lines(t, 'address-book', 'add', path, 'Grace Hopper', '1906'))[1], 'Grace Hopper, 1906')
  t.throws(() => objects.open(path, { version: 1 }), { code: 'ERR_PMEM_VERSION' })
  t.true(objects.check(path).sound)
})

test('an upgrade of the address book that fails changes nothing', async (t) => {
  const path = join(folder(t), 'book')
  makeFirst(path, [{ name: 'Ada Lovelace', phone: '1815' }, {} as { name: string; phone: string }])
  t.throws(() => openBook(path), { instanceOf: TypeError })
  const store = objects.open(path)
  t.is(store.version, 0)
  t.deepEqual(objects.toPlain(store.root), { people: [{ name: 'Ada Lovelace', phone: '1815' }, {}] })
  store.close()
})

/** What stands in for Electron: it calls back when it is told to. */
function standIn(userData: string) {
  const events = new Map<string, () => void>()
  const handlers = new Map<string, (event: unknown, ...args: unknown[]) => unknown>()
  const windows: unknown[] = []
  const electron: Electron = {
    app: {
      requestSingleInstanceLock: () => true,
      whenReady: async () => {},
      getPath: () => userData,
      on: (event, listener) => void events.set(event, listener),
      quit: () => events.get('will-quit')?.(),
    },
    ipcMain: { handle: (channel, listener) => void handlers.set(channel, listener) },
    BrowserWindow: class {
      constructor(options: object) {
        windows.push(options)
      }
      getBounds = () => ({ width: 640, height: 480 })
      on = (event: string, listener: () => void) => void events.set(event, listener)
      loadFile = async () => {}
    },
  }
  const invoke = (channel: string, ...args: unknown[]) => handlers.get(channel)?.({}, ...args)
  const emit = (event: string) => events.get(event)?.()
  return { electron, windows, invoke, emit }
}

test('the sketch for Electron works with a stand-in', async (t) => {
  const userData = folder(t)
  const first = standIn(userData)
  await electronMain(first.electron)
  t.deepEqual(first.invoke('notes:list'), [])
  await first.invoke('notes:add', 'one\nnote')
  t.throws(() => first.invoke('notes:add', 7), { instanceOf: TypeError })
  first.emit('close')
  const pending = first.invoke('notes:add', 'the last one')
  first.emit('window-all-closed')
  await pending
  t.throws(() => first.invoke('notes:list'), { code: 'ERR_PMEM_CLOSED' })

  const second = standIn(userData)
  await electronMain(second.electron)
  t.deepEqual(second.invoke('notes:list'), ['one\nnote', 'the last one'])
  t.like(second.windows[0], { width: 640, height: 480 })
  second.emit('window-all-closed')
  t.regex((await lines(t, 'electron-main')).join('\n'), /^This is a sketch/)
})
