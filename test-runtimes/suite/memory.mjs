// Regions, buffers and views that are dropped in any order.
import assert from 'node:assert/strict'
import { pmem } from 'pmem'
import { check } from '../lib/check.mjs'
import { file, text } from '../lib/files.mjs'
import { collect, mappings } from '../lib/memory.mjs'
import { checkViews, hasViews } from '../lib/package.mjs'

/** Maps a file, uses the region and drops it. A function of its own, so that nothing of it stays on the stack. */
function dropped(path, use) {
  const region = pmem.map(path)
  use(region)
  return new WeakRef(region)
}

check('memory: 1,000 regions that are dropped leave no mapping', async () => {
  const path = file()
  for (let index = 0; index < 1000; index += 1) {
    dropped(path, (region) => {
      if (index % 3 === 1) region.write('touched')
      if (index % 3 === 2 && hasViews) region.view(Int32Array)[0] = index
    })
  }
  assert.ok(await collect(() => mappings(path) === 0), `${mappings(path)} mappings are left`)
})

check('memory: 1,000 regions that are closed leave no mapping at once', () => {
  const path = file()
  for (let index = 0; index < 1000; index += 1) dropped(path, (region) => (region.write('touched'), region.close()))
  assert.equal(mappings(path), 0)
})

checkViews('memory: a view keeps the memory of a collected region', async () => {
  const path = file()
  const views = []
  const region = dropped(path, (mapped) => views.push(mapped.view(Uint8Array, 10, 5)))
  assert.ok(await collect(() => region.deref() === undefined))
  views[0].set(Buffer.from('later'))
  assert.equal(text(path, 15, 10), 'later')
  views.length = 0
  assert.ok(await collect(() => mappings(path) === 0), `${mappings(path)} mappings are left`)
})

check('memory: a region that is dropped while it is persisted', async () => {
  const path = file(2 ** 20)
  const jobs = []
  dropped(path, (region) => (region.fill(1, 0, 2 ** 20, { durable: false }), jobs.push(region.persistAsync())))
  await Promise.all(jobs)
  assert.ok(await collect(() => mappings(path) === 0), `${mappings(path)} mappings are left`)
})
