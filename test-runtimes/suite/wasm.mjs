// Regions over the memory of a WebAssembly.Memory, shared with workers or not.
import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { capabilities, pmem } from 'pmem'
import { check } from '../lib/check.mjs'
import { file, folder, poke, text } from '../lib/files.mjs'
import { attempt, collect, eventually, mappings } from '../lib/memory.mjs'
import { Thread } from '../lib/programs.mjs'
import { storing } from '../lib/storing.mjs'

const PAGE = 65536
const CLOSED = { code: 'ERR_PMEM_CLOSED' }
const UNSUPPORTED = { code: 'ERR_PMEM_UNSUPPORTED' }
const cage = process.env.PMEM_NO_EXTERNAL_BUFFERS === '1'

const wasm = (path, options) => pmem.map(path, undefined, { memory: 'wasm', ...options })
const word = (path, offset = 0) => readFileSync(path).readInt32LE(offset)

/** Maps a file, uses the region and drops it. A function of its own, so that nothing of it stays on the stack. */
function dropped(path, use, options) {
  const region = wasm(path, options)
  use(region)
  return new WeakRef(region)
}

/** Memories that have nothing to do with files. They get addresses that others gave back. */
function fillPlainMemories(count) {
  for (let index = 0; index < count; index += 1) {
    new Uint8Array(new WebAssembly.Memory({ initial: 2, maximum: 2 }).buffer).fill(0xee)
  }
}

check('wasm: capabilities say what is possible', () => {
  assert.equal(capabilities.wasmMemory, true)
  assert.equal(capabilities.externalBuffers, !cage)
})

check('wasm: auto takes what the runtime allows', () => {
  const region = pmem.map(file())
  assert.equal(region.memory instanceof WebAssembly.Memory, cage)
  assert.equal(region.view(Uint8Array).length, PAGE)
  region.close()
})

check('wasm: external is refused where the runtime forbids it', () => {
  const map = () => pmem.map(file(), undefined, { memory: 'external' })
  if (cage) assert.throws(map, UNSUPPORTED)
  else assert.equal(map().memory, undefined)
})

check('wasm: the memory is as long as the region and never grows', () => {
  const region = wasm(file(3 * PAGE))
  assert.ok(region.memory instanceof WebAssembly.Memory)
  assert.equal(region.memory, region.memory)
  assert.equal(region.buffer, region.memory.buffer)
  assert.equal(region.buffer.byteLength, 3 * PAGE)
  assert.ok(region.buffer instanceof ArrayBuffer)
  assert.throws(() => region.memory.grow(1), RangeError)
  region.close()
})

check('wasm: a view is the file, in both directions', () => {
  const path = file('abcdefgh'.repeat(2 * PAGE / 8))
  const region = wasm(path)
  const view = region.view(Float64Array)
  assert.equal(view.length, 2 * PAGE / 8)
  assert.equal(Buffer.from(view.buffer, 0, 8).toString(), 'abcdefgh')
  view[view.length - 1] = 1.5
  assert.equal(readFileSync(path).readDoubleLE(2 * PAGE - 8), 1.5)
  poke(path, 8, Float64Array.of(2.5).buffer)
  assert.equal(view[1], 2.5)
  region.view(DataView, 16).setInt16(0, 7, true)
  region.persist(16, 2)
  assert.equal(readFileSync(path).readInt16LE(16), 7)
  region.close()
})

check('wasm: the cursor, copyFrom and fill share the memory with views', async () => {
  const path = file()
  const region = wasm(path)
  const view = region.view(Uint8Array)
  region.write('written')
  region.copyFrom('copied', 100)
  region.fill(0x66, 200, 204)
  assert.equal(Buffer.from(view.subarray(0, 7)).toString(), 'written')
  assert.equal(Buffer.from(view.subarray(100, 106)).toString(), 'copied')
  assert.equal(Buffer.from(view.subarray(199, 205)).toString(), '\0ffff\0')
  view.set(Buffer.from('W'))
  region.seek(0)
  assert.equal(region.read(7).toString(), 'Written')
  region.persistMany([[0, 7], [100, 6]])
  await region.persistAsync()
  region.msync()
  region.flush()
  region.drain()
  assert.equal(text(path, 7), 'Written')
  region.close()
})

check('wasm: two regions over one file, and one at an offset', () => {
  const path = file(3 * PAGE)
  const [whole, part] = [wasm(path), pmem.map(path, PAGE, { memory: 'wasm', offset: 8192 })]
  whole.view(Int32Array, 8192)[3] = 77
  assert.equal(part.view(Int32Array)[3], 77)
  assert.equal(part.buffer.byteLength, PAGE)
  whole.close()
  part.view(Int32Array)[3] += 1
  assert.equal(word(path, 8192 + 12), 78)
  part.close()
})

check('wasm: mapFile makes a file for it', () => {
  const path = join(folder(), 'made')
  const region = pmem.mapFile(path, { length: 2 * PAGE, create: true, memory: 'wasm' })
  region.view(Int32Array)[0] = 5
  region[Symbol.dispose]()
  assert.equal(word(path), 5)
  assert.equal(statSync(path).size, 2 * PAGE)
})

for (const length of [1, 4096, 5000, PAGE - 1, PAGE + 4096, 100_000]) {
  check(`wasm: ${length} bytes have exact views, and no buffer`, () => {
    const path = file(length)
    const region = wasm(path)
    for (const get of [() => region.buffer, () => region.memory]) {
      assert.throws(get, (error) => error.code === 'ERR_PMEM_UNSUPPORTED' && error.message.includes('view'))
    }
    const view = region.view(Uint8Array)
    assert.equal(view.length, length)
    view[length - 1] = 9
    assert.equal(region.view(Uint8Array, length - 1)[0], 9)
    assert.throws(() => region.view(Uint8Array, 0, length + 1), { code: 'ERR_OUT_OF_RANGE' })
    assert.equal(readFileSync(path)[length - 1], 9)
    region.persist()
    region.close()
    assert.equal(view.length, 0)
    assert.equal(statSync(path).size, length)
  })
}

check('wasm: readonly changes nothing in the file', () => {
  const path = file('as it was'.padEnd(PAGE))
  const region = wasm(path, { readonly: true })
  region.view(Uint8Array).fill(0x78)
  assert.equal(region.read(2).toString(), 'xx')
  assert.throws(() => region.write('x'), { code: 'EACCES' })
  region.close()
  assert.equal(text(path, 9), 'as it was')
})

check('wasm: a program that imports the memory writes the file', () => {
  const path = file()
  const region = wasm(path)
  const { store } = storing(region.memory)
  store(0, 12)
  store(PAGE - 4, 34)
  assert.deepEqual([word(path), word(path, PAGE - 4)], [12, 34])
  assert.throws(() => store(PAGE - 3, 1), WebAssembly.RuntimeError)
  region.close()
  // The program goes on with a memory of zeros that is nobody's.
  store(0, 99)
  assert.equal(word(path), 12)
})

check('wasm: a memory that its user grows by nothing', () => {
  const path = file()
  const region = wasm(path)
  const before = region.view(Int32Array)
  region.memory.grow(0)
  assert.equal(before.length, 0)
  assert.equal(region.buffer, region.memory.buffer)
  const view = region.view(Int32Array)
  view[0] = 21
  assert.equal(word(path), 21)
  region.write(Int32Array.of(22))
  assert.equal(view[0], 22)
  region.seek(0)
  assert.equal(region.read(4).readInt32LE(), 22)
  region.close()
  assert.equal(view.length, 0)
})

check('wasm: close empties views, and its memory is zeros', () => {
  const path = file('as it was'.padEnd(PAGE))
  const region = wasm(path)
  const { memory, buffer } = region
  const view = region.view(Uint8Array)
  view[0] = 0x41
  region.close()
  region.close()
  assert.equal(view.length, 0)
  assert.equal(buffer.byteLength, 0)
  const derived = new Uint8Array(memory.buffer)
  assert.equal(derived.length, PAGE)
  assert.ok(derived.every((byte) => byte === 0))
  derived.fill(1)
  assert.equal(text(path, 9), 'As it was')
  assert.equal(mappings(path), 0)
  for (const use of [() => region.memory, () => region.buffer, () => region.view(Uint8Array), () => region.write('x')]) {
    assert.throws(use, CLOSED)
  }
})

check('wasm: the memory cannot be moved', async () => {
  const path = file('as it was'.padEnd(PAGE))
  const region = wasm(path)
  const { buffer } = region
  const view = region.view(Uint8Array)
  const thread = new Thread('echo')
  const cloned = () => structuredClone(buffer, { transfer: [buffer] })
  const posted = [() => thread.post(buffer, [buffer]), () => thread.post(view, [buffer])]
  const moved = typeof buffer.transfer === 'function' ? [() => buffer.transfer(), () => buffer.transferToFixedLength(0)] : []
  // Node.js 20 makes copies of what it cannot move; all others refuse.
  for (const move of [cloned, ...posted]) {
    const copy = attempt(move)
    if (copy) new Uint8Array(copy).fill(1)
  }
  for (const move of moved) assert.throws(move, undefined, String(move))
  assert.equal(buffer.byteLength, PAGE)
  assert.equal(region.buffer, buffer)
  view[0] = 0x41
  assert.equal(text(path, 9), 'As it was')
  region.close()
  await thread.terminate()
})

check('wasm: 1,000 memories that are dropped leave no mapping, and the file as it is', async () => {
  const path = file('as it was'.padEnd(2 * PAGE))
  for (let index = 0; index < 1000; index += 1) {
    dropped(path, (region) => {
      region.view(Int32Array)[index + 16] = index
    }, index % 5 === 4 ? { shared: true } : {})
  }
  assert.ok(await collect(() => mappings(path) === 0), `${mappings(path)} mappings are left`)
  const before = readFileSync(path)
  for (let index = 0; index < 1000; index += 1) assert.equal(before.readInt32LE(4 * (index + 16)), index)
  fillPlainMemories(200)
  assert.ok(readFileSync(path).equals(before))
})

check('wasm: 1,000 memories that are closed leave no mapping at once', () => {
  const path = file()
  for (let index = 0; index < 1000; index += 1) {
    dropped(path, (region) => {
      region.view(Int32Array)[0] = index
      region.close()
    })
  }
  assert.equal(mappings(path), 0)
  assert.equal(word(path), 999)
  fillPlainMemories(200)
  assert.equal(word(path), 999)
})

const store = (buffer, value) => (new Int32Array(buffer)[0] = value)

for (const [name, keep] of [
  ['a view', (region) => ((view) => (value) => store(view.buffer, value))(region.view(Int32Array))],
  ['a buffer', (region) => ((buffer) => (value) => store(buffer, value))(region.buffer)],
  ['a memory', (region) => ((memory) => (value) => store(memory.buffer, value))(region.memory)],
  ['a program', (region) => ((program) => (value) => program.store(0, value))(storing(region.memory))],
]) {
  check(`wasm: ${name} keeps the file of a collected region`, async () => {
    const path = file()
    const kept = []
    const region = dropped(path, (mapped) => kept.push(keep(mapped)))
    assert.ok(await collect(() => region.deref() === undefined))
    fillPlainMemories(20)
    kept[0](31)
    assert.equal(word(path), 31)
    kept.length = 0
    assert.ok(await collect(() => mappings(path) === 0), `${mappings(path)} mappings are left`)
  })
}

check('shared: two workers and Atomics miss nothing', async () => {
  const path = file()
  const region = wasm(path, { shared: true })
  assert.ok(region.buffer instanceof SharedArrayBuffer)
  assert.equal(region.buffer, region.memory.buffer)
  const threads = [1, 2].map(() => new Thread('countShared', { times: 100_000 }))
  for (const thread of threads) thread.post(region.buffer)
  for (const thread of threads) assert.equal(await thread.next(), 'counted')
  assert.equal(word(path), 200_000)
  assert.equal(Atomics.load(region.view(Int32Array), 0), 200_000)
  for (const thread of threads) assert.equal(await thread.exit, 0)
  assert.equal(Atomics.add(region.view(Int32Array), 0, 1), 200_000)
  assert.equal(word(path), 200_001)
  region.close()
})

check('shared: a worker waits for a store and is woken', async () => {
  const region = wasm(file(), { shared: true })
  const thread = new Thread('waitShared')
  thread.post(region.buffer)
  assert.equal(await thread.next(), 'waiting')
  const view = region.view(Int32Array)
  Atomics.store(view, 0, 1)
  Atomics.notify(view, 0)
  assert.equal(await thread.next(), 1)
  await thread.exit
  region.close()
})

check('shared: exact views of 5000 bytes', () => {
  const path = file(5000)
  const region = wasm(path, { shared: true })
  assert.throws(() => region.buffer, (error) => error.code === 'ERR_PMEM_UNSUPPORTED' && error.message.includes('view'))
  const view = region.view(Uint8Array)
  assert.ok(view.buffer instanceof SharedArrayBuffer)
  assert.equal(view.length, 5000)
  view[4999] = 3
  assert.equal(readFileSync(path)[4999], 3)
  region.close()
})

check('shared: a region that is attached in the same thread', () => {
  const path = file()
  const region = wasm(path, { shared: true })
  const attached = pmem.attach(region.buffer)
  assert.ok(attached instanceof pmem.Region)
  assert.equal(attached.byteLength, PAGE)
  assert.equal(attached.isPmem, region.isPmem)
  attached.view(Int32Array)[0] = 8
  attached.persist(0, 4)
  assert.equal(region.view(Int32Array)[0], 8)
  attached.close()
  assert.equal(attached.closed, true)
  assert.equal(region.closed, false)
  region.view(Int32Array)[0] += 1
  assert.equal(word(path), 9)
  region.close()
})

check('shared: attach takes nothing else', () => {
  for (const given of [undefined, 7, {}, new ArrayBuffer(8), new Uint8Array(8)]) {
    assert.throws(() => pmem.attach(given), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
  }
  for (const given of [new SharedArrayBuffer(PAGE), new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer]) {
    assert.throws(() => pmem.attach(given), (error) => typeof error.code === 'string')
  }
})

check('shared: closing an attached region leaves the memory of others alone', async () => {
  const path = file()
  const region = wasm(path, { shared: true })
  const view = region.view(Int32Array)
  const thread = new Thread('attachAndClose')
  thread.post(region.buffer)
  assert.deepEqual(await thread.next(), ['closed', 'ERR_PMEM_CLOSED'])
  await thread.exit
  view[0] = 41
  assert.equal(word(path), 41)
  region.persist()
  region.close()
})

check('shared: close turns the buffer into zeros, here and in workers', async () => {
  const path = file('as it was'.padEnd(PAGE))
  const region = wasm(path, { shared: true })
  const { buffer } = region
  const view = region.view(Uint8Array)
  const thread = new Thread('attachAndAsk')
  thread.post(buffer)
  assert.equal(await thread.next(), 'attached')
  thread.post('ask')
  assert.deepEqual(await thread.next(), ['open', 0x61])
  region.close()
  assert.equal(buffer.byteLength, PAGE)
  assert.ok(view.every((byte) => byte === 0))
  view.fill(1)
  thread.post('ask')
  assert.deepEqual(await thread.next(), ['ERR_PMEM_CLOSED', 1])
  assert.equal(text(path, 9), 'as it was')
  assert.throws(() => pmem.attach(buffer), (error) => typeof error.code === 'string')
  thread.post('end')
  await thread.exit
  assert.ok(await eventually(() => mappings(path) === 0), `${mappings(path)} mappings are left`)
})

check('shared: the memory outlives the worker that mapped it', async () => {
  const path = file()
  const thread = new Thread('share', { path })
  const buffer = await thread.next()
  assert.ok(buffer instanceof SharedArrayBuffer)
  thread.post('end')
  await thread.exit
  fillPlainMemories(20)
  Atomics.store(new Int32Array(buffer), 0, 51)
  assert.equal(word(path), 51)
  const region = pmem.attach(buffer)
  region.persist(0, 4)
  region.close()
})

check('shared: a worker attaches after the region that made the memory was collected', async () => {
  const path = file()
  const thread = new Thread('attachLater')
  const drop = async () => {
    const region = wasm(path, { shared: true })
    thread.post(region.buffer)
    assert.equal(await thread.next(), 'taken')
    return new WeakRef(region)
  }
  const dropped = await drop()
  assert.ok(await collect(() => dropped.deref() === undefined))
  // The memory, and then its handle.
  await collect(() => false)
  thread.post('attach')
  assert.deepEqual(await thread.next(), ['open', 'm'])
  assert.equal(text(path, 1), 'm')
  await thread.terminate()
})
