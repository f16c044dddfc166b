// Files that are cut under their users: the process lives, the call says so, and nothing else is touched.
import assert from 'node:assert/strict'
import { readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { capabilities, pmem, pmemblk, pmemlog } from 'pmem'
import { check } from '../lib/check.mjs'
import { file, folder, text } from '../lib/files.mjs'
import { Thread } from '../lib/programs.mjs'
import { storing } from '../lib/storing.mjs'

const FAULT = { code: 'ERR_PMEM_FAULT' }
const LENGTH = 1 << 20
const LOST = 700_000

/** How the memory of a region is used by which a page is found missing. */
const USES = {
  'a view': [{}, (region) => (region.view(Uint8Array)[LOST] = 1)],
  'a WebAssembly memory': [{ memory: 'wasm' }, (region) => (region.view(Uint8Array)[LOST] = 1)],
  'a program in a WebAssembly memory': [{ memory: 'wasm' }, (region) => storing(region.memory).store(LOST, 1)],
  'a shared memory': [{ shared: true }, (region) => Atomics.add(region.view(Int32Array), LOST / 4, 1)],
  'a read through a view': [{}, (region) => region.view(Uint8Array)[LOST]],
}

for (const [name, [options, use]] of Object.entries(USES)) {
  check(`faults: ${name}`, () => {
    const [path, other] = [file(LENGTH), pmem.map(file(LENGTH))]
    const region = pmem.map(path, undefined, options)
    region.write('kept')
    region.persist(0, 4)
    truncateSync(path, 4096)
    use(region)
    assert.throws(() => region.persist(LOST, 1), FAULT)
    assert.throws(() => region.write('x'), FAULT)
    assert.throws(() => region.view(Uint8Array), FAULT)
    region.close()
    region.close()
    assert.equal(text(path, 5), 'kept\0')
    other.write('untouched')
    other.persist()
    other.close()
  })
}

check('faults: the cursor and copies throw in the call itself', () => {
  const calls = [
    (region) => (region.seek(LOST), region.write('x')),
    (region) => (region.seek(LOST), region.read(1)),
    (region) => region.copyFrom('x', LOST),
    (region) => region.fill(1, LOST, LOST + 1),
  ]
  for (const call of calls) {
    const path = file(LENGTH)
    const region = pmem.map(path)
    truncateSync(path, 4096)
    assert.throws(() => call(region), FAULT)
    region.close()
  }
})

check('faults: what was stored and cut off is not acknowledged', () => {
  const path = file(LENGTH)
  const region = pmem.map(path)
  region.fill(1, LOST, LOST + 1, { durable: false })
  truncateSync(path, 4096)
  assert.throws(() => region.persist(LOST, 1), FAULT)
  region.close()
})

check('faults: shared memory that outlives the worker that mapped it', async () => {
  const path = file(LENGTH)
  const worker = new Thread('share', { path })
  const view = new Uint8Array(await worker.next())
  worker.post('end')
  await worker.exit
  view[LOST] = 1
  assert.equal(readFileSync(path)[LOST], 1)
  truncateSync(path, 0)
  assert.equal(view[LOST], 0)
  view[LOST] = 2
  assert.throws(() => pmem.attach(view.buffer).persist(), FAULT)
})

check('faults: the rest of the last page', () => {
  for (const memory of ['auto', 'wasm']) {
    const path = file(100)
    const region = pmem.map(path, undefined, { memory })
    const all = new Uint8Array(region.view(Uint8Array).buffer)
    truncateSync(path, 0)
    assert.equal(all[99] + (all[200] ?? 0), 0)
    assert.throws(() => region.persist(), FAULT)
    region.close()
  }
})

check('faults: data of which a page is lost goes nowhere', () => {
  const path = file(LENGTH)
  const region = pmem.map(path)
  const view = region.view(Uint8Array)
  const other = pmem.map(file(LENGTH))
  const log = pmemlog.create(join(folder(), 'log'))
  const [small, large] = [4096, 100_000].map((size) => pmemblk.create(join(folder(), 'array'), size, 64 << 20, { sparse: true }))
  truncateSync(path, 4096)
  for (let round = 0; round < 2; round += 1) {
    for (const length of [10, 90_000]) {
      const data = view.subarray(LOST, LOST + length)
      assert.throws(() => log.append(data), FAULT)
      assert.throws(() => log.appendv([data, 'x']), FAULT)
      assert.throws(() => log.appendMany(['x', data]), FAULT)
      assert.throws(() => other.write(data), FAULT)
      assert.throws(() => other.copyFrom(data), FAULT)
      assert.throws(() => large.write(data, 0), FAULT)
    }
    assert.throws(() => small.write(view.subarray(LOST, LOST + 10), 0), FAULT)
    assert.throws(() => small.writeMany(0, view.subarray(LOST, LOST + 8192)), FAULT)
  }
  assert.equal(log.tell(), 0)
  assert.ok(other.read().equals(Buffer.alloc(LENGTH)))
  assert.ok(small.read(0).equals(Buffer.alloc(4096)))
  log.append('fine')
  for (const open of [region, other, log, small, large]) open.close()
})

check('faults: data of which a page is lost is not put off', async () => {
  const path = file(LENGTH)
  const region = pmem.map(path)
  const data = region.view(Uint8Array, LOST, 10)
  const log = pmemlog.create(join(folder(), 'log'))
  const array = pmemblk.create(join(folder(), 'array'))
  truncateSync(path, 4096)
  await assert.rejects(log.appendAsync(data), FAULT)
  await assert.rejects(array.writeAsync(data, 0), FAULT)
  assert.equal(log.tell(), 0)
  for (const open of [region, log, array]) open.close()
})

for (const engine of capabilities.engines) {
  check(`faults: a log, ${engine}`, () => {
    const path = join(folder(), 'log')
    const log = pmemlog.create(path, undefined, { engine })
    log.append(Buffer.alloc(100_000))
    truncateSync(path, 8192)
    for (let round = 0; round < 2; round += 1) {
      assert.throws(() => log.append('lost'), FAULT)
      assert.throws(() => log.read(0, 10), FAULT)
    }
    log.close()
    assert.throws(() => pmemlog.open(path), { code: 'ERR_PMEM_CORRUPT' })
  })

  check(`faults: a log that was cut within a page, ${engine}`, () => {
    const path = join(folder(), 'log')
    const log = pmemlog.create(path, undefined, { engine })
    log.append(Buffer.alloc(200))
    truncateSync(path, 8192 + 100)
    // libpmemlog asks nobody.
    if (engine === 'rust') assert.throws(() => log.append('lost'), FAULT)
    log.close()
  })

  check(`faults: a block array, ${engine}`, () => {
    const path = join(folder(), 'array')
    const array = pmemblk.create(path, 4096, undefined, { engine })
    array.write('kept', 0)
    truncateSync(path, 8192)
    for (let round = 0; round < 2; round += 1) {
      assert.throws(() => array.write('lost', 1), FAULT)
      assert.throws(() => array.read(0), FAULT)
    }
    array.close()
    assert.equal(readFileSync(path).length, 8192)
  })
}
