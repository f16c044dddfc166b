// Attempts to move the memory of a region elsewhere. None may crash the process, lose what is stored or tear it.
import assert from 'node:assert/strict'
import { pmem } from 'pmem'
import { check } from '../lib/check.mjs'
import { file, text } from '../lib/files.mjs'
import { attempt, collect, mappings } from '../lib/memory.mjs'
import { canMove, checkViews } from '../lib/package.mjs'
import { Thread } from '../lib/programs.mjs'

const ways = {
  'structuredClone with a transfer list': (buffer) => structuredClone(buffer, { transfer: [buffer] }),
  transfer: (buffer) => buffer.transfer(),
  transferToFixedLength: (buffer) => buffer.transferToFixedLength(),
}

for (const [name, move] of Object.entries(ways)) {
  checkViews(`transfer: by ${name}, then close`, async () => {
    const path = file('as it was'.padEnd(65536))
    const region = pmem.map(path)
    const { buffer } = region
    const moved = attempt(() => move(buffer))
    if (canMove && name === 'transfer') assert.ok(moved, 'it can be moved')
    assert.equal(Buffer.from(moved ?? buffer).toString('utf8', 0, 9), 'as it was')
    assert.equal(region.read(9).toString(), 'as it was')
    // Whether a view can still be had or not, the region works.
    region.seek(0)
    region.write('written')
    region.persist()
    assert.equal(text(path, 9), 'writtenas')
    region.close()
    assert.equal(buffer.byteLength, 0)
    // Either the memory of the file, or one of its own; never one that is gone.
    if (moved) new Uint8Array(moved).fill(0x6d)
    assert.match(text(path, 9), /^(m{9}|writtenas)$/)
  })
}

if (canMove) {
  check('transfer: a moved buffer keeps the memory of a closed region, until it is collected', async () => {
    const path = file()
    const kept = []
    const move = () => {
      const region = pmem.map(path)
      kept.push(region.buffer.transfer())
      region.close()
    }
    move()
    new Uint8Array(kept[0]).fill(0x6d)
    assert.equal(text(path, 3), 'mmm')
    kept.length = 0
    assert.ok(await collect(() => mappings(path) === 0), `${mappings(path)} mappings are left`)
  })
}

for (const way of canMove ? ['transfer', 'message'] : []) {
  for (const end of ['end', 'terminate']) {
    check(`transfer: memory that a worker moved away by ${way} outlives the worker: ${end}`, async () => {
      const path = file('as it was'.padEnd(65536))
      const thread = new Thread('moveAway', { path, letter: way })
      const received = await thread.next()
      if (end === 'end') thread.post('end')
      else await thread.terminate()
      await thread.exit
      await collect(() => false)
      // A runtime may have sent a copy.
      if (received === null || received.byteLength === 0) return
      const bytes = new Uint8Array(received)
      assert.equal(Buffer.from(received, 0, 9).toString(), 'as it was')
      bytes.fill(0x6d)
      assert.match(text(path, 9), /^(m{9}|as it was)$/)
    })
  }
}

checkViews('transfer: a worker that moved nothing away leaves nothing mapped', async () => {
  const path = file()
  const thread = new Thread('hold', { path, memory: 'auto' })
  assert.equal(await thread.next(), 'held')
  thread.post('end')
  await thread.exit
  assert.ok(await collect(() => mappings(path) === 0), `${mappings(path)} mappings are left`)
})

checkViews('transfer: a view in a message is a copy, or the memory itself', async () => {
  const path = file('as it was'.padEnd(65536))
  const region = pmem.map(path)
  const thread = new Thread('echo')
  const view = region.view(Uint8Array)
  thread.post(view)
  assert.equal(Buffer.from(await thread.next()).toString('utf8', 0, 9), 'as it was')
  const isSent = attempt(() => (thread.post(view, [view.buffer]), true))
  const received = isSent ? await thread.next() : view
  assert.equal(Buffer.from(received).toString('utf8', 0, 9), 'as it was')
  region.seek(0)
  region.write('written')
  region.close()
  if (received.length > 0) received.fill(0x6d)
  assert.match(text(path, 9), /^(m{9}|writtenas)$/)
  await thread.terminate()
})
