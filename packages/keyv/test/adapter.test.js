// What the suite does not ask: durability, crashes, expiry and space, namespaces, who else has it open, and what is wrong with a file.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Keyv } from 'keyv'
import { objects } from 'pmem'
import { KeyvPmem } from 'pmem-keyv'
import { afterEach, expect, test, vi } from 'vitest'
import { runExamples } from '../../../scripts/lib/readme.mjs'
import { newPath } from './folder.js'

const here = (name) => fileURLToPath(new URL(name, import.meta.url))

let opened = []
afterEach(async () => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  await Promise.all(opened.map((adapter) => adapter.disconnect()))
  opened = []
})

function open(path = newPath(), options = {}) {
  const adapter = new KeyvPmem(path, options)
  opened.push(adapter)
  return adapter
}

/** Another handle of the store, to look at what is in it. */
function storeOf(path) {
  return objects.open(path, { durability: 'group' })
}

/** All entries of an adapter's namespace. */
async function all(adapter) {
  const entries = []
  for await (const entry of adapter.iterator()) entries.push(entry)
  return entries
}

/** Time stands still, and goes on by `vi.advanceTimersByTimeAsync`. */
const stopTime = () => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })

test('each change waits for durability, unless sync is false', async () => {
  const flushed = vi.spyOn(objects.Store.prototype, 'flushed')
  for (const [sync, flushes] of [[undefined, 1], [true, 1], [false, 0]]) {
    const adapter = open(newPath(), { sync })
    const changes = [
      () => adapter.set('a', '1'),
      () => adapter.setMany([{ key: 'b', value: '2' }, { key: 'c', value: '3' }]),
      () => adapter.delete('a'),
      () => adapter.deleteMany(['b', 'c']),
      () => adapter.clear(),
    ]
    for (const change of changes) {
      flushed.mockClear()
      await change()
      expect(flushed, `${sync}: ${change}`).toHaveBeenCalledTimes(flushes)
    }
    flushed.mockClear()
    await adapter.disconnect()
    expect(flushed).toHaveBeenCalledTimes(1)
  }
})

test.each([true, false])('what a killed process was told, sync: %s, is there, and setMany all or nothing', async (sync) => {
  const path = newPath()
  const child = spawn(process.execPath, [here('writer.mjs'), path, `${sync}`], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  while (output.split('\n').length < 20) await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'close')
  const count = Number(output.split('\n').at(-2)) + 1
  const keys = (await all(open(path))).map(([key]) => key)
  const [a, b] = ['a', 'b'].map((letter) => keys.filter((key) => key.startsWith(letter)).map((key) => key.slice(1)))
  expect(a).toEqual(b)
  expect([count, count + 1]).toContain(a.length)
})

test('a transaction that fails changes nothing', async () => {
  const adapter = open()
  await adapter.set('a', 'old')
  await expect(adapter.setMany([{ key: 'a', value: 'new' }, { key: 'b', value: () => {} }])).rejects.toMatchObject({ code: 'ERR_PMEM_UNCLONEABLE' })
  expect(await adapter.getMany(['a', 'b'])).toEqual(['old', undefined])
})

test('an entry is gone at its time', async () => {
  stopTime()
  const adapter = open()
  const now = Date.now()
  await adapter.setMany([{ key: 'a', value: '1', expires: now + 100 }, { key: 'b', value: '2', expires: now + 101 }, { key: 'c', value: '3' }])
  await adapter.set('over', 'x', now)
  await adapter.set('over', 'x', now - 1)
  vi.setSystemTime(now + 99)
  expect(await adapter.hasMany(['a', 'b', 'c', 'over'])).toEqual([true, true, true, false])
  vi.setSystemTime(now + 100)
  expect(await adapter.getMany(['a', 'b', 'c'])).toEqual([undefined, '2', '3'])
  expect(await adapter.hasMany(['a', 'b', 'c'])).toEqual([false, true, true])
  expect(await all(adapter)).toEqual([['b', '2'], ['c', '3']])
  expect(await adapter.deleteMany(['a', 'b', 'c', 'd'])).toEqual([false, true, true, false])
})

test('what is set again has its new time, or none', async () => {
  stopTime()
  const path = newPath()
  const adapter = open(path)
  const now = Date.now()
  for (const key of ['later', 'never', 'sooner']) await adapter.set(key, 'old', now + 5000)
  await adapter.set('later', 'new', now + 10_000)
  await adapter.set('never', 'new')
  await adapter.set('sooner', 'new', now + 3000)
  await vi.advanceTimersByTimeAsync(4000)
  expect(await adapter.getMany(['later', 'never', 'sooner'])).toEqual(['new', 'new', undefined])
  await vi.advanceTimersByTimeAsync(4000)
  expect(await adapter.getMany(['later', 'never', 'sooner'])).toEqual(['new', 'new', undefined])
  const store = storeOf(path)
  const { values, expiries, order } = store.root
  expect([values.size, expiries.size, order.size]).toEqual([2, 1, 1])
  store.close()
})

test('what expires gives its space back by itself, all of it', async () => {
  stopTime()
  const path = newPath()
  const adapter = open(path, { sync: false })
  const store = storeOf(path)
  const used = async () => (await store.gc(), store.stats().used)
  const before = await used()
  const expires = Date.now() + 60_000
  await adapter.setMany(Array.from({ length: 2500 }, (_, index) => ({ key: `${index}`, value: 'x'.repeat(1000), expires })))
  await adapter.set('stays', 'x')
  expect(await used()).toBeGreaterThan(before + 2_500_000)
  await vi.advanceTimersByTimeAsync(60_000)
  await vi.waitFor(() => expect(store.root.values.size).toBe(1))
  expect([store.root.expiries.size, store.root.order.size]).toEqual([0, 0])
  await vi.waitFor(async () => expect(await used()).toBeLessThan(before + 100_000))
  store.close()
})

test('a change removes some of what has expired', async () => {
  stopTime()
  const path = newPath()
  const adapter = open(path)
  const now = Date.now()
  await adapter.setMany(Array.from({ length: 20 }, (_, index) => ({ key: `${index}`, value: 'x', expires: now + 1 })))
  vi.setSystemTime(now + 1)
  await adapter.set('a', '1')
  const store = storeOf(path)
  expect(store.root.values.size).toBe(5)
  store.close()
})

test('what expired while nobody had it open goes too', async () => {
  stopTime()
  const path = newPath()
  const first = open(path)
  await first.set('a', '1', Date.now() + 1)
  await first.disconnect()
  vi.setSystemTime(Date.now() + 2)
  open(path)
  await vi.advanceTimersByTimeAsync(1000)
  const store = storeOf(path)
  await vi.waitFor(() => expect(store.root.values.size).toBe(0))
  store.close()
})

test('the timer keeps no process alive', async () => {
  const program = `const { KeyvPmem } = require('pmem-keyv')
    new KeyvPmem(${JSON.stringify(newPath())}).set('a', '1', Date.now() + 3_600_000)`
  await promisify(execFile)(process.execPath, ['-e', program], { cwd: here('.'), timeout: 20_000 })
})

test('namespaces never meet', async () => {
  const adapter = open()
  const put = async (namespace, key) => {
    adapter.namespace = namespace
    await adapter.set(key, `${namespace}`)
  }
  const names = [['a', 'b:c'], ['a:b', 'c'], ['a', 'x'], ['a\0', 'x'], ['', 'x']]
  for (const [namespace, key] of names) await put(namespace, key)
  adapter.namespace = 'a'
  expect(await all(adapter)).toEqual([['b:c', 'a'], ['x', 'a']])
  await adapter.clear()
  expect(await all(adapter)).toEqual([])
  for (const namespace of ['a:b', 'a\0', '']) {
    adapter.namespace = namespace
    expect((await all(adapter)).length, namespace).toBe(1)
  }
  adapter.namespace = undefined
  await adapter.clear()
  adapter.namespace = 'a:b'
  expect(await all(adapter)).toEqual([])
})

test('an iterator keeps to what was there, and gives back what it kept', async () => {
  const path = newPath()
  const adapter = open(path)
  const store = storeOf(path)
  await adapter.setMany(['a', 'b', 'c'].map((key) => ({ key, value: 'old' })))
  const iterator = adapter.iterator()
  expect((await iterator.next()).value).toEqual(['a', 'old'])
  await adapter.clear()
  expect((await iterator.next()).value).toEqual(['b', 'old'])
  expect(store.stats().snapshots).toBe(1)
  await iterator.return()
  expect(store.stats().snapshots).toBe(0)
  store.close()
})

test('without serialization, values are stored as they are, and reading gives copies', async () => {
  const path = newPath()
  const keyv = new Keyv(open(path), { serialization: false })
  const value = { list: [1n, -0, 'a'], map: new Map([['k', new Date(5)]]), bytes: new Uint8Array([1, 2]) }
  await keyv.set('a', value)
  await keyv.disconnect()
  const again = new Keyv(open(path), { serialization: false })
  const read = await again.get('a')
  expect(read).toEqual(value)
  read.list.push('b')
  expect(await again.get('a')).toEqual(value)
})

test('two adapters at the same path share it', async () => {
  const path = newPath()
  const [one, two] = [open(path), open(path)]
  await one.set('a', '1')
  await one.disconnect()
  expect(await two.get('a')).toBe('1')
})

test('a file that another process has open', async () => {
  const path = newPath()
  const child = spawn(process.execPath, [here('writer.mjs'), path, 'true'], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  expect(() => new KeyvPmem(path)).toThrow(expect.objectContaining({ code: 'EAGAIN' }))
  child.kill('SIGKILL')
  await once(child, 'close')
})

test('an adapter that was disconnected', async () => {
  const adapter = open()
  const errors = []
  const keyv = new Keyv(adapter)
  keyv.on('error', ({ code }) => errors.push(code))
  await keyv.set('a', '1', 1000)
  await keyv.disconnect()
  await keyv.disconnect()
  const code = 'ERR_PMEM_CLOSED'
  await expect(adapter.set('a', '2')).rejects.toMatchObject({ code })
  await expect(adapter.get('a')).rejects.toMatchObject({ code })
  await expect(adapter.iterator().next()).rejects.toMatchObject({ code })
  expect(await keyv.set('a', '2')).toBe(false)
  expect(errors).toEqual([code])
})

test('wrong paths', () => {
  expect(() => new KeyvPmem(5)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }))
  expect(() => new KeyvPmem('')).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE' }))
  const folder = newPath()
  mkdirSync(folder)
  expect(() => new KeyvPmem(folder)).toThrow(expect.objectContaining({ code: 'EISDIR' }))
  expect(() => new KeyvPmem(`${newPath()}/x`)).toThrow(expect.objectContaining({ code: 'ENOENT' }))
})

test('a store of something else is left alone', () => {
  const path = newPath()
  objects.open(path, { root: () => ({ users: ['ada'] }) }).close()
  expect(() => new KeyvPmem(path)).toThrow(expect.objectContaining({ code: 'ERR_PMEM_KEYV_STORE' }))
  const store = objects.open(path)
  expect(objects.toPlain(store.root)).toEqual({ users: ['ada'] })
  store.close()
})

test('a damaged file is left alone', async () => {
  const path = newPath()
  const adapter = open(path)
  await adapter.set('a', '1')
  await adapter.disconnect()
  const bytes = readFileSync(path)
  bytes.fill(0xa5, 0, 8192)
  writeFileSync(path, bytes)
  expect(() => new KeyvPmem(path)).toThrow(expect.objectContaining({ code: 'ERR_PMEM_CORRUPT' }))
  expect(bytes.equals(readFileSync(path))).toBe(true)
})

test('the examples of the README', async () => {
  const where = newPath()
  mkdirSync(where)
  for (const { code, expected, output } of await runExamples(here('..'), where)) expect(output, code).toBe(expected)
})
