/** The cases that crash or lose writes where memory outlives its owner, on every release of Node.js that is supported. */

import { readFileSync, truncateSync } from 'node:fs'
import { capabilities } from 'pmem'
import { external } from './helpers/external.js'
import { file, text } from './helpers/files.js'
import { linux } from './helpers/linux.js'
import { run, runtimes } from './helpers/programs.js'

for (const [name, node] of runtimes()) {
  // Node.js 20 has no ArrayBuffer.prototype.transfer.
  const transfers = name !== 'node20'

  linux(`${name}: a buffer that is transferred away before the close`, external(async (t) => {
    const path = file(t, 'abcdefgh')
    const found = await run(t, 'survive.js', ['transferred', path], { node })
    if (transfers) {
      t.deepEqual(found, { views: 0, readable: 'abc', buffer: 'ERR_PMEM_UNSUPPORTED', moved: 8, stored: 5 })
      t.is(readFileSync(path, 'utf8'), 'movedfgh')
    } else {
      t.deepEqual(found, { views: 8, readable: 'abc', buffer: 'the buffer', moved: null, stored: 0 })
      t.is(readFileSync(path, 'utf8'), 'abcdefgh')
    }
  }))

  if (transfers) {
    linux(`${name}: a buffer that is transferred away from a region that is collected`, external(async (t) => {
      const path = file(t, 'abcdefgh')
      const found = await run(t, 'survive.js', ['transferredAndCollected', path], { node })
      t.deepEqual(found, { collected: true, stored: 5, mapped: 1, left: true })
      t.is(readFileSync(path, 'utf8'), 'movedfgh')
    }))
  }

  linux(`${name}: a buffer that is transferred as messages are`, external(async (t) => {
    const path = file(t, 'as it was')
    t.deepEqual(await run(t, 'survive.js', ['cloned', path], { node }), { stored: true, left: 0 })
    t.is(readFileSync(path, 'utf8'), 'as it was')
  }))

  linux(`${name}: a store through a view of a readonly region`, external(async (t) => {
    const path = file(t, 'as it was')
    t.deepEqual(await run(t, 'survive.js', ['readonly', path], { node }), { seen: 'xxx', left: 0 })
    t.is(readFileSync(path, 'utf8'), 'as it was')
  }))

  linux(`${name}: a buffer whose region is collected`, external(async (t) => {
    const path = file(t)
    t.deepEqual(await run(t, 'survive.js', ['collected', path], { node }), { collected: true, stored: 5, left: true })
    t.is(text(path, 5), 'later')
  }))

  linux(`${name}: a region of more than 4 GiB`, async (t) => {
    const path = file(t, 0)
    truncateSync(path, 5 * 2 ** 30)
    const { buffers, read, viewed } = (await run(t, 'survive.js', ['large', path], { node })) as Record<string, unknown>
    t.is(read, 'written copied')
    t.is(viewed, buffers && capabilities.externalBuffers ? 'written copied' : 'ERR_PMEM_UNSUPPORTED')
  })

  linux(`${name}: workers that end with regions open, where they alone use the package`, async (t) => {
    const path = file(t)
    t.deepEqual(await run(t, 'survive.js', ['workers', path], { node }), { codes: [0, 7, 1, 0], left: 0 })
    t.is(text(path, 10), 'abcdefghij')
  })

  linux(`${name}: ES modules and CommonJS share everything`, async (t) => {
    const path = file(t)
    t.deepEqual(await run(t, 'modules.mjs', [path], { node }), { same: true, accepted: true, closed: true })
    t.is(text(path, 8), 'from ESM')
  })
}
