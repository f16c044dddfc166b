// Regions that grow: buffers of each length that they had, over the same memory.
import assert from 'node:assert/strict'
import { statSync } from 'node:fs'
import { capabilities, pmem } from 'pmem'
import { check } from '../lib/check.mjs'
import { file, text } from '../lib/files.mjs'
import { collect, mappings } from '../lib/memory.mjs'
import { canMove } from '../lib/package.mjs'
import { Thread } from '../lib/programs.mjs'

const UNSUPPORTED = { code: 'ERR_PMEM_UNSUPPORTED' }
const KIB = 1024

/** A region of 4 KiB that may grow to 1 GiB. */
function growing(path = file(4 * KIB)) {
  return { path, region: pmem.map(path, undefined, { maxLength: 2 ** 30 }) }
}

/** So many bytes of a file as text. */
const at = (path, start, length) => text(path, start + length, start)

check('grow: the cursor and all that copies', async () => {
  const { path, region } = growing()
  region.seek(4 * KIB - 2)
  assert.throws(() => region.write('over'), { code: 'ERR_OUT_OF_RANGE' })
  region.grow(100 * KIB)
  assert.equal(region.byteLength, 100 * KIB)
  assert.equal(statSync(path).size, 100 * KIB)
  assert.equal(region.write('over'), 4)
  region.copyFrom('copied', 50 * KIB)
  region.fill(0x66, 100 * KIB - 3)
  region.persist()
  region.persistMany([[0, 8], [99 * KIB, KIB]])
  await region.persistAsync(60 * KIB, 8)
  assert.equal(at(path, 4 * KIB - 2, 4), 'over')
  assert.equal(at(path, 50 * KIB, 6), 'copied')
  region.seek(100 * KIB - 3)
  assert.equal(region.read().toString(), 'fff')
  region.close()
  assert.equal(mappings(path), 0)
})

check('grow: what was reserved, and no more', () => {
  const path = file(4 * KIB)
  const region = pmem.map(path, undefined, { maxLength: 8 * KIB })
  assert.throws(() => region.grow(8 * KIB + 1), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => region.grow(4 * KIB - 1), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => pmem.map(path, undefined, { maxLength: 10 }), { code: 'ERR_OUT_OF_RANGE' })
  assert.equal(statSync(path).size, 4 * KIB)
  region.grow(8 * KIB)
  region.close()
  assert.throws(() => region.grow(8 * KIB), { code: 'ERR_PMEM_CLOSED' })
})

if (capabilities.externalBuffers) {
  check('grow: buffers and views keep their lengths, and are one memory', () => {
    const { path, region } = growing()
    const all = [region.view(Uint8Array)]
    for (const length of [5, 64, 64, 5000].map((pages) => pages * KIB)) {
      region.grow(length)
      assert.equal(region.buffer, region.buffer)
      all.push(new Uint8Array(region.buffer))
    }
    assert.deepEqual(all.map((view) => view.length), [4, 5, 64, 64, 5000].map((pages) => pages * KIB))
    assert.equal(all[2].buffer, all[3].buffer)
    for (const [index, view] of all.entries()) {
      view[index] = 0x61 + index
      view[view.length - 1] = 0x7a
    }
    region.persist()
    for (const view of all) assert.equal(Buffer.from(view.subarray(0, 5)).toString(), 'abcde')
    assert.equal(text(path, 5), 'abcde')
    assert.equal(at(path, 5000 * KIB - 1, 1), 'z')
    region.close()
    assert.deepEqual(all.map((view) => view.length), [0, 0, 0, 0, 0])
    assert.equal(mappings(path), 0)
  })

  check('grow: close empties views whose buffers nobody holds', async () => {
    const { path, region } = growing()
    const views = [region.view(Uint8Array)]
    for (const length of [8 * KIB, 16 * KIB]) {
      region.grow(length)
      views.push(region.view(Float64Array), region.view(DataView))
    }
    await collect(() => false)
    views[0][0] = 0x76
    assert.equal(text(path, 1), 'v')
    region.close()
    for (const view of views) {
      if (view instanceof DataView) assert.throws(() => view.getInt8(0), TypeError)
      else assert.equal(view.length, 0)
    }
  })

  check('grow: buffers of earlier lengths are collected, and then close still lets the file go', async () => {
    const { path, region } = growing()
    const earlier = []
    const last = () => {
      for (let length = 8 * KIB; length <= 800 * KIB; length += 4 * KIB) {
        earlier.push(new WeakRef(region.buffer))
        region.grow(length)
      }
      return region.view(Uint8Array)
    }
    const view = last()
    assert.ok(await collect(() => earlier.every((buffer) => buffer.deref() === undefined)), 'earlier buffers are kept')
    await collect(() => false)
    view.fill(0x6c)
    assert.equal(at(path, 800 * KIB - 2, 2), 'll')
    region.grow(804 * KIB)
    region.close()
    assert.equal(view.length, 0)
    assert.equal(mappings(path), 0)
  })

  check('grow: a region that is collected leaves the file to all views', async () => {
    const path = file(4 * KIB)
    const views = []
    const fill = () => {
      const { region } = growing(path)
      views.push(region.view(Uint8Array))
      region.grow(8 * KIB)
      views.push(region.view(Uint8Array))
    }
    fill()
    await collect(() => false)
    views[1].fill(0x32, 4 * KIB)
    views[0].fill(0x31)
    assert.equal(at(path, 4 * KIB - 1, 2), '12')
    views.length = 0
    assert.ok(await collect(() => mappings(path) === 0), `${mappings(path)} mappings are left`)
  })

  check('grow: a worker that ends with buffers of several lengths', async () => {
    const path = file(4 * KIB)
    for (const end of ['end', 'terminate']) {
      const thread = new Thread('grow', { path })
      assert.equal(await thread.next(), 'grown')
      if (end === 'end') thread.post('end')
      else await thread.terminate()
      await thread.exit
      assert.ok(await collect(() => mappings(path) === 0), `${mappings(path)} mappings are left`)
    }
    assert.equal(text(path, 4), 'grow')
  })
} else {
  check('grow: not once there is a WebAssembly memory', () => {
    const { path, region } = growing()
    region.grow(64 * KIB)
    if (capabilities.wasmMemory) {
      const view = region.view(Uint8Array)
      assert.equal(view.length, 64 * KIB)
      assert.throws(() => region.grow(128 * KIB), UNSUPPORTED)
      assert.equal(statSync(path).size, 64 * KIB)
      view[0] = 0x76
      region.persist()
      assert.equal(text(path, 1), 'v')
    }
    region.grow(64 * KIB)
    region.close()
  })
}

for (const name of canMove ? ['the earlier buffer', 'the later buffer'] : []) {
  check(`grow: ${name} is moved away`, async () => {
    const path = file('as it was'.padEnd(4 * KIB))
    const kept = []
    const move = () => {
      const { region } = growing(path)
      const { buffer } = region
      region.grow(8 * KIB)
      const later = region.buffer
      kept.push((name === 'the earlier buffer' ? buffer : later).transfer())
      if (name === 'the earlier buffer') {
        assert.equal(region.view(Uint8Array).length, 8 * KIB)
      } else {
        assert.throws(() => region.buffer, UNSUPPORTED)
        assert.equal(buffer.byteLength, 4 * KIB)
        region.grow(12 * KIB)
        assert.equal(region.buffer.byteLength, 12 * KIB)
      }
      return region
    }
    const region = move()
    await collect(() => false)
    region.close()
    new Uint8Array(kept[0]).fill(0x6d)
    assert.equal(text(path, 9), 'mmmmmmmmm')
    kept.length = 0
    assert.ok(await collect(() => mappings(path) === 0), `${mappings(path)} mappings are left`)
  })
}
