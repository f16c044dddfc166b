/** Regions in WebAssembly memories, shared with workers or not. */

import { execFileSync } from 'node:child_process'
import { readFileSync, statfsSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { capabilities, pmem } from 'pmem'
import { rejects, throws } from './helpers/errors.js'
import { file, mapped } from './helpers/files.js'
import { linux } from './helpers/linux.js'
import { collect, mappings } from './helpers/memory.js'
import { isForcedPmem } from './helpers/pools.js'
import { program } from './helpers/programs.js'

const PAGE = 2 ** 16
const TMPFS = 0x01021994
const wasm = { memory: 'wasm' } as const
const shared = { shared: true } as const

/** A shared region over a new file; it is closed when the test ends. */
function sharedRegion(t: ExecutionContext, length: number): { path: string; region: pmem.Region<SharedArrayBuffer> } {
  const path = file(t, length)
  const region = pmem.map(path, undefined, shared)
  t.teardown(() => region.close())
  return { path, region }
}

/** Asserts what is in a file, without showing it. */
function holds(t: ExecutionContext, path: string, content: Buffer): void {
  t.true(readFileSync(path).equals(content))
}

test('the memory is the file', (t) => {
  const { path, region } = mapped(t, 2 * PAGE, wasm)
  const memory = region.memory!
  t.is(memory.buffer, region.buffer)
  t.is(region.buffer.byteLength, 2 * PAGE)
  t.throws(() => memory.grow(1), { instanceOf: RangeError })
  const view = region.view(Float64Array, 8, 2)
  t.is(view.buffer, region.buffer)
  view[1] = Math.PI
  t.is(readFileSync(path).readDoubleLE(16), Math.PI)
  region.seek(PAGE)
  region.write('cursor')
  t.is(Buffer.from(region.buffer, PAGE, 6).toString(), 'cursor')
  region.copyFrom('copied', 2 * PAGE - 6)
  t.is(Buffer.from(region.buffer).toString('latin1', 2 * PAGE - 6), 'copied')
  region.seek(16)
  t.is(region.read(8).readDoubleLE(), Math.PI)
})

test('what is no multiple of 64 KiB has views, and no buffer or memory', (t) => {
  for (const [length, options] of [[1, wasm], [PAGE - 1, wasm], [PAGE + 1, shared], [3 * PAGE + 4096, wasm]] as const) {
    const { path, region } = mapped(t, length, options)
    const view = region.view(Uint8Array)
    t.is(view.length, length)
    view[length - 1] = 7
    t.is(readFileSync(path).at(-1), 7)
    throws(t, { code: 'ERR_PMEM_UNSUPPORTED', says: 'view' }, () => region.buffer)
    throws(t, { code: 'ERR_PMEM_UNSUPPORTED', says: 'view' }, () => region.memory)
    throws(t, 'ERR_OUT_OF_RANGE', () => region.view(Uint8Array, 0, length + 1))
    // Bytes behind the region belong to no file.
    new Uint8Array(view.buffer).fill(9, length)
    t.is(readFileSync(path).length, length)
  }
})

test('an offset in the file', (t) => {
  const path = file(t, Buffer.concat([Buffer.alloc(capabilities.pageSize, 'a'), Buffer.alloc(PAGE, 'b')]))
  using region = pmem.map(path, PAGE, { ...wasm, offset: capabilities.pageSize })
  t.is(Buffer.from(region.buffer).toString('latin1', 0, 2), 'bb')
  region.view(Uint8Array)[0] = 0x63
  t.is(readFileSync(path, 'latin1')[capabilities.pageSize], 'c')
})

test('there is a memory only where it was asked for', (t) => {
  const { region } = mapped(t, PAGE)
  t.is(region.memory === undefined, capabilities.externalBuffers)
  const { region: external } = mapped(t, 4096, wasm)
  throws(t, 'ERR_PMEM_UNSUPPORTED', () => external.memory)
})

test('a close empties views, and leaves zeros to who kept the memory', (t) => {
  const content = Buffer.alloc(PAGE, 'x')
  const { path, region } = mapped(t, content, wasm)
  const [view, memory, { buffer }] = [region.view(Uint8Array), region.memory!, region]
  region.close()
  t.is(view.length, 0)
  t.is(buffer.byteLength, 0)
  const left = new Uint8Array(memory.buffer)
  t.true(left.every((byte) => byte === 0))
  left.fill(1)
  holds(t, path, content)
})

test('a close turns a shared buffer into zeros', (t) => {
  const content = Buffer.alloc(PAGE, 'x')
  const { path, region } = mapped(t, content, shared)
  const view = region.view(Uint8Array)
  t.true(view.buffer instanceof SharedArrayBuffer)
  t.is(view[0], 0x78)
  region.close()
  t.is(view.length, PAGE)
  t.true(view.every((byte) => byte === 0))
  view.fill(1)
  holds(t, path, content)
})

test('a memory that a program grows by nothing is the file still', (t) => {
  const { path, region } = mapped(t, PAGE, wasm)
  const before = region.view(Uint8Array)
  region.memory!.grow(0)
  t.is(before.length, 0)
  region.write('cursor')
  region.view(Uint8Array)[0] = 0x43
  t.is(readFileSync(path, 'latin1').slice(0, 6), 'Cursor')
  const view = region.view(Uint8Array)
  region.close()
  t.is(view.length, 0)
})

test('stores in a readonly memory stay in it', (t) => {
  const content = Buffer.alloc(PAGE, 'x')
  const { path, region } = mapped(t, content, { ...wasm, readonly: true })
  region.view(Uint8Array).fill(0x79)
  t.is(region.read(2).toString(), 'yy')
  throws(t, { code: 'EACCES', path }, () => region.write('z'))
  throws(t, { code: 'EACCES', path }, () => region.persist())
  region.close()
  holds(t, path, content)
})

test('a buffer of a memory does not move away', (t) => {
  const { path, region } = mapped(t, PAGE, wasm)
  const { buffer } = region
  // Some releases refuse, some copy.
  const clone = (): Uint8Array => new Uint8Array(structuredClone(buffer, { transfer: [buffer] }))
  try {
    clone()[0] = 0x62
  } catch (error) {
    t.true(error instanceof Error)
  }
  t.is(buffer.byteLength, PAGE)
  region.view(Uint8Array)[0] = 0x61
  t.is(readFileSync(path, 'latin1')[0], 'a')
})

test('a copy whose source overlaps it, in a memory', (t) => {
  const content = Buffer.from(Uint8Array.from({ length: 3 * PAGE }, (_, index) => (index * 7) % 251))
  const { path, region } = mapped(t, content, wasm)
  region.copyFrom(region.view(Uint8Array, 0, 2 * PAGE), 1000)
  const expected = Buffer.from(content)
  content.copy(expected, 1000, 0, 2 * PAGE)
  holds(t, path, expected)
})

test('a copy whose source overlaps it, by another buffer over the same memory', (t) => {
  const content = Buffer.from(Uint8Array.from({ length: 12 * PAGE }, (_, index) => (index * 7) % 251))
  const path = file(t, content)
  using region = pmem.map(path, undefined, shared)
  using attached = pmem.attach(region.buffer)
  const other = structuredClone(region.view(Uint8Array))
  const expected = Buffer.from(content)
  for (const target of [region, attached]) {
    target.copyFrom(other.subarray(0, 10 * PAGE), 4100)
    expected.copy(expected, 4100, 0, 10 * PAGE)
    holds(t, path, expected)
  }
})

test('what cannot be', (t) => {
  const path = file(t, PAGE)
  const wrong = (options: object, code: string) => throws(t, code, () => pmem.map(path, undefined, options as pmem.MapOptions))
  wrong({ memory: 'external', shared: true }, 'ERR_INVALID_ARG_VALUE')
  wrong({ shared: 1 }, 'ERR_INVALID_ARG_TYPE')
  wrong({ memory: 'WASM' }, 'ERR_INVALID_ARG_VALUE')
  for (const value of [undefined, null, 1, Buffer.alloc(8), new ArrayBuffer(8), {}]) {
    throws(t, 'ERR_INVALID_ARG_TYPE', () => pmem.attach(value as unknown as SharedArrayBuffer))
  }
  for (const length of [0, 8, PAGE]) throws(t, 'ERR_INVALID_ARG_VALUE', () => pmem.attach(new SharedArrayBuffer(length)))
  const huge = pmem.mapFile(file(t, 0), { ...wasm, length: 2 ** 32 + PAGE, create: true, sparse: true })
  throws(t, { code: 'ERR_PMEM_UNSUPPORTED', says: '4294967296' }, () => huge.view(Uint8Array))
  throws(t, { code: 'ERR_PMEM_UNSUPPORTED', says: 'offset' }, () => huge.view(Uint8Array, 0, 8))
  huge.seek(2 ** 32)
  huge.write('reached')
  huge.seek(2 ** 32)
  t.is(huge.read(7).toString(), 'reached')
  huge.close()
})

test('an attached region is another handle on the same', async (t) => {
  const { path, region } = sharedRegion(t, PAGE + 10)
  const attached = pmem.attach(region.view(Uint8Array).buffer)
  t.is(attached.byteLength, PAGE + 10)
  t.is(attached.isPmem, region.isPmem)
  attached.write('attached')
  attached.persist(0, 8)
  t.is(region.read(8).toString(), 'attached')
  attached.close()
  t.true(attached.closed)
  t.is(readFileSync(path, 'latin1').slice(0, 8), 'attached')
  region.view(Uint8Array)[0] = 0x41

  const late = pmem.attach(region.view(Uint8Array).buffer)
  t.false(late.closed)
  const pending = late.persistAsync()
  const { buffer } = region.view(Uint8Array)
  region.close()
  await pending
  t.true(late.closed)
  late[Symbol.dispose]()
  throws(t, 'ERR_PMEM_CLOSED', () => late.persist())
  throws(t, 'ERR_PMEM_CLOSED', () => late.write('x'))
  throws(t, 'ERR_PMEM_CLOSED', () => late.read())
  throws(t, 'ERR_PMEM_CLOSED', () => late.view(Uint8Array))
  await rejects(t, 'ERR_PMEM_CLOSED', () => late.persistAsync())
  late.close()
  throws(t, 'ERR_INVALID_ARG_VALUE', () => pmem.attach(buffer))
  t.is(readFileSync(path, 'latin1').slice(0, 8), 'Attached')
})

test('two workers count in one file', async (t) => {
  const { path, region } = sharedRegion(t, PAGE)
  const count = (): Promise<unknown> => new Promise((resolve, reject) => {
    new Worker(program('count.js'), { workerData: { buffer: region.buffer, times: 100_000 } }).on('message', resolve).on('error', reject)
  })
  t.deepEqual(await Promise.all([count(), count()]), ['counted', 'counted'])
  t.is(readFileSync(path).readInt32LE(0), 200_000)
})

linux('1,000 memories that are dropped leave no mapping, and their files as they were', async (t) => {
  const content = Buffer.alloc(PAGE, 'x')
  const path = file(t, content)
  const drop = (options: pmem.MapOptions): void => void pmem.map(path, undefined, options).view(Uint8Array)
  for (let round = 0; round < 50; round += 1) {
    for (let count = 0; count < 10; count += 1) [wasm, shared].forEach(drop)
    t.true(await collect(() => mappings(path) === 0), `${mappings(path)} mappings`)
  }
  const plain = Array.from({ length: 20 }, () => new Uint8Array(new (globalThis as any).WebAssembly.Memory({ initial: 1 }).buffer))
  for (const bytes of plain) bytes.fill(1)
  holds(t, path, content)
})

linux('more memories than there is room for', async (t) => {
  const path = file(t, PAGE)
  const regions: pmem.Region[] = []
  const refused = () => {
    for (let count = 0; count < 40_000; count += 1) {
      const region = pmem.map(path, undefined, wasm)
      regions.push(region)
      region.view(Uint8Array)[0] = 1
    }
  }
  throws(t, 'ERR_PMEM_UNSUPPORTED', refused)
  regions.at(-1)?.write('still')
  t.is(readFileSync(path, 'latin1').slice(0, 5), 'still')
  for (const region of regions) region.close()
  t.is(mappings(path), 0)
})

const onDisk = statfsSync(process.env.PMEM_TEST_DIR ?? '.').type !== TMPFS && !isForcedPmem
const direct = process.platform === 'linux' && onDisk ? test : test.skip

direct('what is stored in a memory and persisted by range is on the disk', (t) => {
  for (const options of [wasm, shared]) {
    const { path, region } = mapped(t, 4 * PAGE, options as pmem.MapOptions)
    const view = region.view(Uint8Array)
    view.fill(0x61, PAGE, PAGE + 4096)
    region.persist(PAGE, 4096)
    view.fill(0x62, 3 * PAGE, 3 * PAGE + 5)
    region.persistMany([[3 * PAGE, 5]])
    // Past the page cache, in another process.
    const read = (page: number) =>
      execFileSync('dd', [`if=${path}`, 'iflag=direct', 'bs=65536', 'count=1', `skip=${page}`], { stdio: ['ignore', 'pipe', 'ignore'] })
    t.deepEqual(read(1).subarray(0, 4097), Buffer.concat([Buffer.alloc(4096, 'a'), Buffer.alloc(1)]))
    t.is(read(3).toString('latin1', 0, 6), 'bbbbb\0')
  }
})
