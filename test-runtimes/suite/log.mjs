// Logs, by every engine.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { capabilities, pmemlog } from 'pmem'
import { check } from '../lib/check.mjs'
import { file, folder } from '../lib/files.mjs'

const everything = (log) => log.read(0, log.tell()).toString()

for (const engine of capabilities.engines) {
  check(`log, ${engine}: appends, reads and finds it again`, () => {
    const path = join(folder(), 'log')
    const log = pmemlog.create(path, undefined, { engine })
    assert.equal(log.engine, engine)
    assert.equal(log.nbyte(), (2 << 20) - 8192)
    log.append('one,')
    log.appendv(['two', Buffer.from(','), Uint8Array.of(0x33, 0x2c)])
    log.appendMany(['four,', 'five,'])
    assert.equal(everything(log), 'one,two,3,four,five,')
    log.close()
    assert.throws(() => log.append('x'), { code: 'ERR_PMEM_CLOSED' })
    assert.equal(pmemlog.check(path), true)
    const again = pmemlog.open(path, { engine })
    assert.equal(everything(again), 'one,two,3,four,five,')
    again.rewind()
    assert.equal(again.tell(), 0)
    again.close()
  })

  check(`log, ${engine}: long appends, and a log that is full`, () => {
    const log = pmemlog.create(join(folder(), 'log'), undefined, { engine })
    const long = Buffer.alloc(100_000, 'long')
    log.append(long)
    assert.ok(log.read(0, 100_000).equals(long))
    assert.throws(() => log.append(Buffer.alloc(2 << 20)), { code: 'ENOSPC' })
    assert.equal(log.tell(), 100_000)
    log.close()
  })

  check(`log, ${engine}: walks, chunks and iteration`, () => {
    const log = pmemlog.create(join(folder(), 'log'), undefined, { engine })
    log.append('abcdefghij')
    const seen = []
    log.walk((chunk) => (log.append('+'), seen.push(chunk.toString()), seen.length < 2), 4)
    assert.deepEqual(seen, ['abcd', 'efgh'])
    assert.deepEqual([...log.chunks(5)].map(String), ['abcde', 'fghij', '++'])
    assert.deepEqual([...log].map(String), ['abcdefghij++'])
    assert.throws(() => log.walk(() => {
      throw new Error('from the callback')
    }), /from the callback/)
    log.close()
  })

  check(`log, ${engine}: what is read is a Buffer, and transferring one empties no other`, () => {
    const log = pmemlog.create(join(folder(), 'log'), undefined, { engine })
    const reused = Buffer.alloc(64)
    log.appendMany((function* () {
      for (const value of [0, 1, 2]) yield reused.fill(value)
    })())
    const walked = []
    log.walk((chunk) => void walked.push(chunk), 64)
    const read = [0, 1, 2].map((index) => log.read(64 * index, 64))
    for (const records of [walked, [...log.chunks(64)], read]) {
      try {
        structuredClone(records[1].buffer, { transfer: [records[1].buffer] })
      } catch (error) {
        assert.ok(['DataCloneError', 'TypeError'].includes(error.name), error)
      }
      for (const value of [0, 2]) {
        assert.equal(Object.getPrototypeOf(records[value]), Buffer.prototype)
        assert.deepEqual(records[value], Buffer.alloc(64, value))
      }
    }
    log.close()
  })

  check(`log, ${engine}: asynchronous appends keep the order of calls`, async () => {
    const log = pmemlog.create(join(folder(), 'log'), undefined, { engine })
    const appended = Array.from({ length: 200 }, (_, index) => log.appendAsync(`${index},`))
    log.append('sync,')
    appended.push(log.appendAsync('last'))
    await Promise.all(appended)
    assert.equal(everything(log), `${Array.from({ length: 200 }, (_, index) => `${index},`).join('')}sync,last`)
    const pending = log.appendAsync(' of all')
    await log[Symbol.asyncDispose]()
    await pending
    assert.equal(log.closed, true)
    await assert.rejects(log.appendAsync('x'), { code: 'ERR_PMEM_CLOSED' })
  })

  check(`log, ${engine}: streams`, async () => {
    const log = pmemlog.create(join(folder(), 'log'), undefined, { engine })
    const writer = log.createWriteStream()
    for (let index = 0; index < 100; index += 1) writer.write(`line ${index}\n`)
    writer.end()
    await once(writer, 'finish')
    let read = ''
    for await (const chunk of log.createReadStream({ encoding: 'utf8', highWaterMark: 64 })) read += chunk
    assert.equal(read, Array.from({ length: 100 }, (_, index) => `line ${index}\n`).join(''))
    log.close()
  })

  check(`log, ${engine}: follows what comes, until it is closed`, async () => {
    const log = pmemlog.create(join(folder(), 'log'), undefined, { engine })
    log.append('one')
    const seen = []
    for await (const chunk of log.follow()) {
      seen.push(chunk.toString())
      if (seen.length < 4) setTimeout(() => log.append(`${seen.length}`), 60)
      else log.close()
    }
    assert.deepEqual(seen, ['one', '1', '2', '3'])
  })

  check(`log, ${engine}: handles in one process share the log`, () => {
    const path = join(folder(), 'log')
    const [first, second] = [pmemlog.create(path, undefined, { engine }), pmemlog.open(path)]
    first.append('one')
    second.append('two')
    assert.equal(everything(first), 'onetwo')
    assert.throws(() => pmemlog.create(path), { code: 'EAGAIN' })
    assert.throws(() => pmemlog.check(path), { code: 'EAGAIN' })
    first.close()
    second.append('three')
    assert.equal(everything(second), 'onetwothree')
    second.close()
  })
}

check('log: errors', () => {
  assert.throws(() => pmemlog.open(join(folder(), 'missing')), { code: 'ENOENT' })
  assert.throws(() => pmemlog.create(join(folder(), 'small'), 4096), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' })
  const path = file(0)
  writeFileSync(path, Buffer.alloc(2 << 20, 'x'))
  assert.throws(() => pmemlog.open(path), { code: 'ERR_PMEM_CORRUPT' })
  assert.equal(pmemlog.check(path), false)
})
