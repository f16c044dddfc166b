// Journals: what depends on buffers, timers, workers and exits.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { inspect } from 'node:util'
import { journal } from 'pmem'
import { check } from '../lib/check.mjs'
import { folder } from '../lib/files.mjs'
import { Thread, ended } from '../lib/programs.mjs'

const opened = (options) => journal.open(join(folder(), 'journal'), options)
const pause = (time) => new Promise((resolve) => setTimeout(resolve, time))
const texts = (records) => Array.from(records, (record) => record.text())

/** The texts of as many records as are wanted. */
async function taken(records, count) {
  const found = []
  for await (const record of records) if (found.push(record.text()) === count) break
  return found
}

check('journal: appends, reads and finds it again', async () => {
  const events = opened()
  assert.equal(events.append('one'), 0)
  assert.equal(events.appendMany(['two', Buffer.from('three'), new Uint16Array([0x3434])]), 1)
  assert.deepEqual(await Promise.all([events.appendAsync('five'), events.appendManyAsync(['six', 'seven'])]), [4, 5])
  events.append('eight', { durable: false })
  await events.flushed()
  const all = ['one', 'two', 'three', '44', 'five', 'six', 'seven', 'eight']
  assert.deepEqual(texts(events), all)
  assert.equal(events.get(6).text(), 'seven')
  assert.throws(() => events.append('x', { expected: 3 }), { code: 'ERR_PMEM_CONFLICT', next: 8 })
  events.close()
  assert.throws(() => events.append('x'), { code: 'ERR_PMEM_CLOSED' })
  assert.equal(journal.check(events.path).sound, true)
  const again = journal.open(events.path)
  assert.deepEqual(texts(again.read({ from: 0n })), all)
  assert.match(inspect(again.get(0)), /sequence: 0,[^]*text: 'one'/)
  again.close()
})

check('journal: records are Buffers, and transferring one empties no other', () => {
  const events = opened()
  events.appendMany((function* () {
    const reused = Buffer.alloc(64)
    for (let value = 0; value < 2000; value += 1) yield reused.fill(value)
  })())
  events.append(Buffer.alloc(200_000, 7))
  const records = [...events]
  assert.equal(records.length, 2001)
  for (const { sequence, data } of records) {
    assert.ok(data instanceof Buffer && data.length === (sequence === 2000 ? 200_000 : 64))
    assert.ok(data.every((byte) => byte === (sequence === 2000 ? 7 : sequence % 256)))
  }
  const [first] = records
  try {
    structuredClone(first.data.buffer, { transfer: [first.data.buffer] })
  } catch {
    // It is marked as not to be transferred.
  }
  assert.deepEqual(texts(events.read({ from: 1, limit: 1 })), ['\x01'.repeat(64)])
  events.close()
})

check('journal: follows what comes, in time', async () => {
  const events = opened()
  const following = taken(events.follow(), 100)
  const start = performance.now()
  for (let count = 0; count < 100; count += 1) {
    if (count % 10 === 0) await pause(1)
    events.append(`record ${count}`)
  }
  assert.deepEqual(await following, Array.from({ length: 100 }, (_, index) => `record ${index}`))
  // A wait that nobody wakes takes a second.
  assert.ok(performance.now() - start < 900, `${performance.now() - start} ms`)
  events.close()
})

check('journal: following ends by an abort, a return and a close', async () => {
  const events = opened()
  const controller = new AbortController()
  const reason = new Error('enough')
  const aborted = taken(events.follow({ signal: controller.signal }), 1).catch((error) => error)
  const returned = events.follow()
  const waiting = returned.next()
  const closed = taken(events.follow(), 1)
  await pause(10)
  controller.abort(reason)
  assert.equal(await aborted, reason)
  await returned.return()
  assert.equal((await waiting).done, true)
  events.close()
  assert.deepEqual(await closed, [])
})

check('journal: streams and consumers', async () => {
  const events = opened()
  const other = opened()
  events.appendMany(['one', 'two', 'three'])
  await pipeline(
    events.createReadStream(),
    async function* (records) {
      for await (const record of records) yield record.data
    },
    other.createWriteStream(),
  )
  assert.deepEqual(texts(other), ['one', 'two', 'three'])
  const seen = []
  const consuming = other.consume('worker', async (record) => {
    await pause(1)
    if (seen.push(record.text()) === 4) setTimeout(() => other.close(), 20)
  })
  await pause(20)
  other.append('four')
  await consuming
  assert.deepEqual(seen, ['one', 'two', 'three', 'four'])
  const again = journal.open(other.path)
  assert.equal(again.cursor('worker').position, 4)
  again.close()
  events.close()
})

check('journal: a worker follows what the main thread appends', async () => {
  const events = opened()
  const thread = new Thread('followJournal', { path: events.path, times: 20 })
  assert.equal(await thread.next(), 'following')
  for (let count = 0; count < 20; count += 1) {
    events.append(`record ${count}`)
    await pause(1)
  }
  assert.deepEqual(await thread.next(), Array.from({ length: 20 }, (_, index) => `record ${index}`))
  await thread.exit
  events.close()
})

for (const end of ['return', 'exit', 'throw', 'terminate']) {
  check(`journal: workers that end while they wait, by ${end}`, async () => {
    const events = opened()
    for (let round = 0; round < 5; round += 1) {
      const thread = new Thread('waitJournal', { path: events.path })
      assert.equal(await thread.next(), 'waiting')
      if (end === 'terminate') await thread.terminate()
      else thread.post(end)
      events.append('x')
      await thread.exit
    }
    assert.deepEqual(await taken(events.follow(), 5), ['x', 'x', 'x', 'x', 'x'])
    events.close()
  })
}

check('journal: a process that waits lives, and one that waits no more ends', async () => {
  const events = opened()
  events.append('one')
  events.close()
  assert.deepEqual(await ended('follow.mjs', [events.path]), { status: 0, output: 'one\ntwo\n' })
})
