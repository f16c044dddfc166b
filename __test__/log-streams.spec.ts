import { createReadStream, createWriteStream, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { pmemlog } from 'pmem'
import { MiB, contents, eachEngine, file, folder, newLog, nothings, pattern, refuses, rejects, sameBytes } from './helpers/pools.js'
import { elsewhere } from './helpers/pools-peers.js'

async function collected(stream: AsyncIterable<Buffer>): Promise<Buffer[]> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return chunks
}

eachEngine('a read stream gives the whole log', async (t, engine) => {
  const { log } = newLog(t, engine)
  t.deepEqual(await collected(log.createReadStream()), [])
  const data = pattern(1_000_003)
  log.append(data)
  for (const highWaterMark of [undefined, 1000, 65_536, 4 * MiB]) {
    const options = highWaterMark === undefined ? undefined : { highWaterMark }
    const chunks = await collected(log.createReadStream(options))
    sameBytes(t, Buffer.concat(chunks), data)
    t.true(chunks.every((chunk) => Buffer.isBuffer(chunk)))
    const size = highWaterMark ?? 65_536
    t.is(chunks.length, Math.ceil(data.length / size))
    t.true(chunks.every(({ length }) => length <= size))
  }
})

eachEngine('a read stream that reads nothing ahead gives the whole log', async (t, engine) => {
  const { log } = newLog(t, engine)
  const data = pattern(200_000)
  log.append(data)
  sameBytes(t, Buffer.concat(await collected(log.createReadStream({ highWaterMark: 0 }))), data)
  const text: unknown[] = await collected(log.createReadStream({ highWaterMark: 0, encoding: 'latin1', start: 199_990 }))
  t.is(text.join(''), data.toString('latin1', 199_990))
})

eachEngine('a read stream starts and ends where it should', async (t, engine) => {
  const { log } = newLog(t, engine)
  log.append('0123456789')
  const parts: [pmemlog.LogReadOptions, string][] = [
    [{ start: 3 }, '3456789'],
    [{ end: 3 }, '0123'],
    [{ start: 3, end: 3 }, '3'],
    [{ start: 3n, end: 5n }, '345'],
    [{ start: 9, end: 9 }, '9'],
    [{ start: 8, end: 100 }, '89'],
    [{ start: 10 }, ''],
    [{ start: 100 }, ''],
    [{ start: 2, end: 8, highWaterMark: 3 }, '2345678'],
    [{ start: undefined, end: undefined, encoding: undefined } as never, '0123456789'],
  ]
  for (const [options, expected] of parts) {
    t.is(Buffer.concat(await collected(log.createReadStream(options))).toString(), expected, JSON.stringify(options, (_, v) => String(v)))
  }
})

eachEngine('a read stream with an encoding gives text, never a half character', async (t, engine) => {
  const { log } = newLog(t, engine)
  const text = 'aé€😀'.repeat(1000)
  log.append(text)
  for (const highWaterMark of [1, 2, 3, 5, 1000]) {
    let read = ''
    for await (const chunk of log.createReadStream({ encoding: 'utf8', highWaterMark })) {
      t.is(typeof chunk, 'string')
      read += chunk
    }
    t.is(read, text)
  }
  log.rewind()
  log.append(Buffer.from([0xca, 0xfe]))
  t.deepEqual(await collected(log.createReadStream({ encoding: 'hex' })), ['cafe'] as never)
})

eachEngine('a read stream shows what was there at its first read', async (t, engine) => {
  const { log } = newLog(t, engine)
  log.append('before ')
  const stream = log.createReadStream({ highWaterMark: 2 })
  log.append('the first read')
  const read: string[] = []
  for await (const chunk of stream) {
    read.push(chunk.toString())
    log.append('!')
    await log.appendAsync('?')
  }
  t.is(read.join(''), 'before the first read')
})

eachEngine('a read stream never gives what was appended after a rewind', async (t, engine) => {
  const { log } = newLog(t, engine)
  log.append('o'.repeat(100_000))
  const read: Buffer[] = []
  const stream = log.createReadStream({ highWaterMark: 1000 })
  try {
    for await (const chunk of stream) {
      read.push(chunk)
      if (read.length > 1) continue
      log.rewind()
      log.append('n'.repeat(100_000))
    }
  } catch (error) {
    // Ending early may be an error, but bytes of two logs may not be mixed.
    t.regex((error as NodeJS.ErrnoException).code ?? '', /^E/)
  }
  const all = Buffer.concat(read)
  sameBytes(t, all, Buffer.alloc(all.length, 'o'))
  sameBytes(t, contents(log), Buffer.alloc(100_000, 'n'))
})

eachEngine('a read stream can be left, and does not close the log', async (t, engine) => {
  const { log } = newLog(t, engine)
  log.append(pattern(500_000))
  for await (const chunk of log.createReadStream({ highWaterMark: 1000 })) {
    t.is(chunk.length, 1000)
    break
  }
  const destroyed = log.createReadStream()
  destroyed.destroy()
  await t.throwsAsync(finished(destroyed), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
  const failed = log.createReadStream()
  failed.destroy(new Error('left'))
  await t.throwsAsync(finished(failed), { message: 'left' })
  t.false(log.closed)
  t.is(log.tell(), 500_000)
})

eachEngine('closing the log ends a read stream with an error', async (t, engine) => {
  const { log } = newLog(t, engine)
  log.append(pattern(500_000))
  const stream = log.createReadStream({ highWaterMark: 1000 })
  const read = async () => {
    for await (const _ of stream) log.close()
  }
  await rejects(t, 'ERR_PMEM_CLOSED', read)
  t.true(stream.destroyed)
})

eachEngine('streams read and write files', async (t, engine) => {
  const where = folder(t)
  const { log } = newLog(t, engine, 4 * MiB)
  const data = pattern(3_000_000)
  writeFileSync(join(where, 'source'), data)
  await pipeline(createReadStream(join(where, 'source')), log.createWriteStream())
  t.false(log.closed)
  sameBytes(t, contents(log), data)
  await pipeline(log.createReadStream(), createWriteStream(join(where, 'target')))
  sameBytes(t, readFileSync(join(where, 'target')), data)
  const { log: copy } = newLog(t, engine, 4 * MiB)
  await pipeline(log.createReadStream({ highWaterMark: 12_345 }), copy.createWriteStream({ highWaterMark: 1 }))
  sameBytes(t, contents(copy), data)
})

eachEngine('a finished write stream is durable: another process finds its data', async (t, engine) => {
  const { log, path } = newLog(t, engine)
  const stream = log.createWriteStream()
  stream.write('text ')
  stream.write('74657874', 'hex')
  stream.write(new Uint8Array([32, 33]))
  stream.end('.')
  await finished(stream)
  log.close()
  t.is(await elsewhere(({ pmemlog }, path) => pmemlog.open(path).read(0, 12).toString(), path), 'text text !.')
})

eachEngine('a write stream pushes back', async (t, engine) => {
  const { log } = newLog(t, engine)
  const stream = log.createWriteStream({ highWaterMark: 10 })
  t.is(stream.writableHighWaterMark, 10)
  t.is(log.createWriteStream().writableHighWaterMark, 65_536)
  t.true(stream.write('1'))
  t.false(stream.write('2345678901'))
  t.true(stream.writableNeedDrain)
  await new Promise((resolve) => stream.once('drain', resolve))
  t.is(log.tell(), 11)
  // A producer that listens never has more than one chunk too many waiting.
  let most = 0
  const producer = new Readable({ read() {} })
  for (let index = 0; index < 100; index += 1) producer.push('x'.repeat(7))
  producer.push(null)
  const watch = new Transform({
    transform(chunk, _, done) {
      most = Math.max(most, stream.writableLength)
      done(null, chunk)
    },
  })
  await pipeline(producer, watch, stream)
  t.true(most < 10 + 7, String(most))
  t.is(contents(log).toString(), `12345678901${'x'.repeat(700)}`)
})

eachEngine('corked chunks and many chunks are whole and in order', async (t, engine) => {
  const { log } = newLog(t, engine)
  const stream = log.createWriteStream()
  stream.cork()
  for (let index = 0; index < 1000; index += 1) stream.write(`${index},`)
  t.is(log.tell(), 0)
  stream.uncork()
  for (let index = 1000; index < 2000; index += 1) stream.write(Buffer.from(`${index},`))
  const callbacks: unknown[] = []
  stream.write('last', (error) => callbacks.push(error ?? 'written'))
  stream.end()
  await finished(stream)
  t.deepEqual(callbacks, ['written'])
  t.is(contents(log).toString(), Array.from({ length: 2000 }, (_, index) => `${index},`).join('') + 'last')
})

eachEngine('the chunks of two streams into one log are whole', async (t, engine) => {
  const { log } = newLog(t, engine)
  const write = async (letter: string) => {
    const lines = Array.from({ length: 500 }, (_, index) => `${letter}${index}${letter.repeat(index % 50)}\n`)
    await pipeline(Readable.from(lines), log.createWriteStream({ highWaterMark: 100 }))
    return lines
  }
  const [a, b] = await Promise.all([write('a'), write('b')])
  const lines = contents(log).toString().match(/.*\n/g)!
  t.deepEqual(lines.filter((line) => line.startsWith('a')), a)
  t.deepEqual(lines.filter((line) => line.startsWith('b')), b)
})

eachEngine('a write stream into a full log fails with ENOSPC, and what came before is there', async (t, engine) => {
  const { log, path } = newLog(t, engine)
  const room = 1000
  log.append(Buffer.alloc(log.nbyte() - room))
  const start = log.tell()
  const stream = log.createWriteStream()
  const chunks = Array.from({ length: 100 }, (_, index) => pattern(64, index + 1))
  await rejects(t, 'ENOSPC', () => pipeline(Readable.from(chunks), stream), { path })
  t.true(stream.destroyed)
  t.false(log.closed)
  const written = log.tell() - start
  t.is(written % 64, 0)
  t.true(written <= room)
  sameBytes(t, log.read(start, written), Buffer.concat(chunks).subarray(0, written))
  log.append('still open')
})

eachEngine('a write stream into a closed log fails', async (t, engine) => {
  const { log } = newLog(t, engine)
  const stream = log.createWriteStream()
  log.close()
  stream.write('late')
  await rejects(t, 'ERR_PMEM_CLOSED', () => finished(stream))
})

eachEngine('a destroyed write stream leaves whole chunks', async (t, engine) => {
  const { log } = newLog(t, engine)
  const stream = log.createWriteStream()
  for (let index = 0; index < 100; index += 1) stream.write('chunk;')
  stream.destroy()
  await t.throwsAsync(finished(stream), { code: 'ERR_STREAM_PREMATURE_CLOSE' })
  await log.appendAsync('end')
  t.regex(contents(log).toString(), /^(chunk;)*end$/)
})

eachEngine('what is no data fails a write stream as it fails any', async (t, engine) => {
  const { log } = newLog(t, engine)
  for (const wrong of [5, {}, undefined, true] as never[]) {
    const stream = log.createWriteStream()
    t.throws(() => stream.write(wrong), { code: 'ERR_INVALID_ARG_TYPE' })
    stream.destroy()
  }
  t.is(log.tell(), 0)
})

eachEngine('wrong options are refused', (t, engine) => {
  const { log } = newLog(t, engine)
  for (const wrong of [null, 5, 'utf8', true] as never[]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.createReadStream(wrong))
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.createWriteStream(wrong))
  }
  for (const wrong of ['1', ...nothings.filter((value) => value !== undefined)] as never[]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.createReadStream({ start: wrong }))
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.createReadStream({ end: wrong }))
  }
  for (const wrong of [-1, 0.5, NaN, 2 ** 53, -1n]) {
    refuses(t, 'ERR_OUT_OF_RANGE', () => log.createReadStream({ start: wrong }))
    refuses(t, 'ERR_OUT_OF_RANGE', () => log.createReadStream({ end: wrong }))
  }
  for (const wrong of [-1, 0.5, NaN, '1', {}] as never[]) {
    for (const make of [() => log.createReadStream({ highWaterMark: wrong }), () => log.createWriteStream({ highWaterMark: wrong })]) {
      t.regex(t.throws<NodeJS.ErrnoException>(make).code ?? '', /^ERR_(INVALID_ARG|OUT_OF_RANGE)/, String(wrong))
    }
  }
  t.throws(() => log.createReadStream({ encoding: 'klingon' as never }))
})

eachEngine('a stream keeps its log', async (t, engine) => {
  const path = file(t)
  const stream = (() => {
    const log = pmemlog.create(path, pmemlog.MIN_POOL, { engine })
    log.append('kept')
    return log.createReadStream()
  })()
  globalThis.gc!()
  await new Promise((resolve) => setImmediate(resolve))
  globalThis.gc!()
  t.is(Buffer.concat(await collected(stream)).toString(), 'kept')
})
