// Workers and processes that use the package, and end with something open in every way.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { capabilities, pmem, pmemblk, pmemlog } from 'pmem'
import { check } from '../lib/check.mjs'
import { file, folder, text } from '../lib/files.mjs'
import { eventually, mappings } from '../lib/memory.mjs'
import { checkViews } from '../lib/package.mjs'
import { Thread, ended } from '../lib/programs.mjs'

checkViews('threads: two workers that map one file count without a miss', async () => {
  const path = file()
  const threads = [1, 2].map(() => new Thread('countMapped', { path, times: 100_000 }))
  for (const thread of threads) assert.equal(await thread.next(), 'counted')
  const region = pmem.map(path)
  assert.equal(region.view(Int32Array)[0], 200_000)
  region.close()
  for (const thread of threads) assert.equal(await thread.exit, 0)
  assert.equal(mappings(path), 0)
})

for (const engine of capabilities.engines) {
  check(`threads: two workers append to one log, ${engine}`, async () => {
    const path = join(folder(), 'log')
    const log = pmemlog.create(path, undefined, { engine })
    const threads = ['a', 'b'].map((letter) => new Thread('append', { path, letter, times: 25 }))
    for (const thread of threads) assert.equal(await thread.next(), 'appended')
    const records = log.read(0, log.tell()).toString().split('\n').slice(0, -1)
    assert.equal(records.length, 50)
    for (const letter of ['a', 'b']) {
      const own = records.filter((record) => record.startsWith(letter))
      assert.deepEqual(own, Array.from({ length: 25 }, (_, index) => `${letter} ${index}`))
    }
    log.close()
    await Promise.all(threads.map((thread) => thread.exit))
  })

  check(`threads: a worker writes blocks that the main thread reads, ${engine}`, async () => {
    const path = join(folder(), 'blocks')
    const blocks = pmemblk.create(path, 512, (16 << 20) + 8192, { engine, sparse: true })
    const thread = new Thread('writeBlocks', { path, times: 50 })
    assert.equal(await thread.next(), 'written')
    for (let index = 0; index < 50; index += 1) assert.equal(blocks.readText(index), `block ${index}`)
    blocks.close()
    await thread.exit
  })
}

for (const memory of ['auto', 'wasm']) {
  for (const end of ['return', 'exit', 'throw', 'terminate']) {
    check(`threads: a worker that ends by ${end} leaves no mapping, memory ${memory}`, async () => {
      const path = file()
      const thread = new Thread('hold', { path, memory })
      assert.equal(await thread.next(), 'held')
      if (end === 'terminate') await thread.terminate()
      else thread.post(end)
      await thread.exit
      assert.equal(text(path, 6), 'worker')
      // Bun and Deno say that it ended a moment before it did.
      assert.ok(await eventually(() => mappings(path) === 0), `${mappings(path)} mappings are left`)
    })
  }

  for (const [end, status] of [['return', 0], ['exit', 7], ['throw', 1], ['kill', 'SIGKILL']]) {
    check(`processes: one that ends by ${end} loses nothing that it wrote, memory ${memory}`, async () => {
      const path = file()
      const result = await ended('exit.mjs', [path, end, memory])
      assert.equal(result.status, status, result.output)
      assert.equal(text(path, 14), 'written stored')
    })
  }
}

check('processes: a log that another process has open is refused', async () => {
  const path = join(folder(), 'log')
  const log = pmemlog.create(path)
  const result = await ended('open.mjs', [path])
  assert.equal(result.output.trim(), 'EAGAIN')
  log.close()
  assert.equal((await ended('open.mjs', [path])).output.trim(), 'opened')
})
