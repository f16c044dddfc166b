// Files that are cut under their users: the process lives, the call says so, and nothing else is touched.
import assert from 'node:assert/strict'
import { readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { capabilities, pmem, pmemblk, pmemlog } from 'pmem'
import { check } from '../lib/check.mjs'
import { file, folder, text } from '../lib/files.mjs'
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
