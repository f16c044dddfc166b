import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import test from 'ava'
import { type EngineName, capabilities, journal, objects, pmem, pmemblk, pmemlog } from 'pmem'
import { folder } from './helpers/files.js'

/** What only the first files were given. */
const SECRET = 'never to be seen elsewhere '

const secret = (length: number) => Buffer.alloc(length, SECRET)

/** All files below a folder. */
function files(path: string): string[] {
  return statSync(path).isDirectory() ? readdirSync(path).flatMap((name) => files(join(path, name))) : [path]
}

/** The files that have a part of the secret. */
function told(path: string): string[] {
  const part = SECRET.slice(0, 8)
  return files(path).filter((file) => readFileSync(file).includes(part))
}

/** Fills memory of all sizes, and gives it back. */
function fillMemory(): void {
  for (const size of [16, 64, 200, 512, 1000, 4096, 9000, 65_536]) {
    const held = Array.from({ length: Math.min(100, (1 << 20) / size) }, () => Buffer.allocUnsafeSlow(size).fill(SECRET))
    if (held.length === 0) throw new Error('nothing was held')
  }
  globalThis.gc?.()
}

/** What a file of each kind is given only secrets by. Whatever memory it goes through has them afterwards. */
function teller(path: string): Disposable & { tell: () => Promise<void> } {
  const at = (name: string) => join(path, name)
  const log = pmemlog.create(at('log'))
  const blocks = pmemblk.create(at('blocks'), 512, undefined, { sparse: true })
  const records = journal.open(at('journal'), { maxBytes: 1 << 20, segmentSize: 65_536 })
  const store = objects.open<Map<string, unknown>>(at('store'), { root: (made) => made.map() })
  const tell = async () => {
    log.rewind()
    log.append(secret(60_000))
    blocks.write(secret(512), 0)
    records.append(secret(9000))
    const root = store.root as unknown as Map<string, unknown>
    root.set('text', secret(3000).toString())
    root.set('bytes', secret(3000))
    await Promise.all([log.appendAsync(secret(2000)), blocks.writeAsync(secret(512), 1), records.appendAsync(secret(500))])
    fillMemory()
  }
  const close = () => [log, blocks, records, store].forEach((each) => each.close())
  return { tell, [Symbol.dispose]: close }
}

const data = (length: number) => Buffer.alloc(length, 1)

/** Makes files of all kinds, and stores something short in them, with a stop before each step. */
async function* write(path: string, engine: EngineName): AsyncGenerator<void> {
  const at = (name: string) => join(path, name)
  yield
  using region = pmem.mapFile(at('region'), { create: true, length: 10_000 })
  yield
  region.copyFrom(data(3), 0, { durable: true })
  yield
  using log = pmemlog.create(at('log'), undefined, { engine })
  for (const length of [1, 100, 5000]) {
    yield
    log.append(data(length))
  }
  yield
  await Promise.all([log.appendAsync(data(7)), log.appendAsync(data(300))])
  yield
  log.appendMany([data(1), data(2), data(3)])
  for (const size of [512, 1000, 70_000]) {
    yield
    using blocks = pmemblk.create(at(`blocks ${size}`), size, size > 4096 ? 600 * size : undefined, { engine })
    yield
    blocks.write(data(size - 1), 0)
    yield
    blocks.write(data(1), 1)
    yield
    await Promise.all([blocks.writeAsync(data(5), 2), blocks.writeAsync(data(500), 3)])
    yield
    blocks.setZero(0)
  }
  yield
  using records = journal.open(at('journal'), { segmentSize: 65_536 })
  for (const length of [0, 1, 7, 300]) {
    yield
    records.append(data(length))
  }
  yield
  await Promise.all([records.appendAsync(data(1)), records.appendManyAsync([data(2), data(9)])])
  yield
  records.cursor('cursor').commit(3)
  yield
  using store = objects.open(at('store'), { root: (made) => made.map<number, unknown>() })
  const root = store.root as unknown as Map<number, unknown>
  for (const value of [1, 'short', data(5), data(3001), { text: 'x', list: [1, 'y'] }, [data(70_001)]]) {
    yield
    root.set(root.size, value)
  }
  yield
  root.delete(0)
  yield
  await store.backup(at('backup'))
}

for (const engine of capabilities.engines) {
  test.serial(`no file has bytes that only others were given: ${engine}`, async (t) => {
    const [first, second] = [folder(t), folder(t)]
    using others = teller(first)
    for await (const _ of write(second, engine)) await others.tell()
    // They are found where they are.
    const kinds = new Set(told(first).map((file) => relative(first, file).split(sep)[0]))
    t.deepEqual([...kinds].toSorted(), ['blocks', 'journal', 'log', 'store'])
    t.deepEqual(told(second), [])
  })
}
