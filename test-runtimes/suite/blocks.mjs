// Block arrays, by every engine.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { capabilities, pmemblk } from 'pmem'
import { check } from '../lib/check.mjs'
import { folder } from '../lib/files.mjs'

const SIZE = 16 << 20 | 8192

for (const engine of capabilities.engines) {
  const path = join(folder(), 'blocks')
  // One array for all checks: what libpmemblk does at the first write takes seconds on a disk.
  const open = () => (existsSync(path) ? pmemblk.open(path, 512, { engine }) : pmemblk.create(path, 512, SIZE, { engine, sparse: true }))

  check(`blocks, ${engine}: writes, reads and finds it again`, () => {
    const blocks = open()
    assert.equal(blocks.engine, engine)
    assert.equal(blocks.bsize(), 512)
    blocks.write('text of a block', 7)
    blocks.write(new Uint8Array(512).fill(9), 8)
    assert.equal(blocks.readText(7), 'text of a block')
    assert.ok(blocks.read(8).equals(Buffer.alloc(512, 9)))
    assert.ok(blocks.read(9).equals(Buffer.alloc(512)))
    const target = new Uint8Array(512)
    blocks.readInto(target, 7)
    assert.equal(Buffer.from(target).toString('utf8', 0, 15), 'text of a block')
    const shared = new SharedArrayBuffer(1024)
    blocks.readInto(new DataView(shared, 256), 7)
    blocks.write(new Uint16Array(shared, 256, 256), 10)
    assert.equal(blocks.readText(10), 'text of a block')
    assert.throws(() => blocks.write(Buffer.alloc(513), 0), { code: 'ERR_OUT_OF_RANGE' })
    assert.throws(() => blocks.read(blocks.nblock()), { code: 'ERR_OUT_OF_RANGE' })
    blocks.close()
    assert.throws(() => blocks.read(0), { code: 'ERR_PMEM_CLOSED' })
    assert.equal(pmemblk.check(path, 512), true)
    const again = open()
    assert.equal(again.readText(7), 'text of a block')
    again.close()
    assert.throws(() => pmemblk.open(path, 1024), { code: 'EINVAL' })
  })

  check(`blocks, ${engine}: many at once`, () => {
    const blocks = open()
    const rows = Buffer.concat(['a', 'b', 'c'].map((letter) => Buffer.alloc(512, letter)))
    blocks.writeMany(10, rows)
    blocks.writeMany(7, Buffer.alloc(1024))
    assert.ok(blocks.readMany(10, 3).equals(rows))
    assert.equal(blocks.readMany(11, 1)[0], 0x62)
    let [count, sum] = [0, 0]
    for (const block of blocks) [count, sum] = [count + 1, sum + block[0]]
    assert.equal(count, blocks.nblock())
    assert.equal(sum, 0x61 + 0x62 + 0x63)
    blocks.close()
  })

  check(`blocks, ${engine}: asynchronous writes`, async () => {
    const blocks = open()
    const writes = Array.from({ length: 100 }, (_, index) => blocks.writeAsync(`number ${index}`, index % 10))
    writes.push(blocks.writeManyAsync(20, Buffer.alloc(1024, 'm')))
    await Promise.all(writes)
    assert.equal(blocks.readText(3), 'number 93')
    assert.equal(blocks.read(21)[511], 0x6d)
    await blocks[Symbol.asyncDispose]()
    await assert.rejects(blocks.writeAsync('x', 0), { code: 'ERR_PMEM_CLOSED' })
  })

  check(`blocks, ${engine}: zero and error states`, () => {
    const blocks = open()
    blocks.write('something', 5)
    blocks.setZero(5)
    assert.equal(blocks.readText(5), '')
    blocks.setError(5)
    assert.throws(() => blocks.read(5), { code: 'EIO' })
    blocks.write('better', 5)
    assert.equal(blocks.readText(5), 'better')
    blocks.close()
  })
}
