/** What becomes of chunks that wait in a write stream. */

import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { capabilities, pmem } from 'pmem'
import { KiB, contents, eachEngine, folder, newLog, pattern, rejects, sameBytes } from './helpers/pools.js'

const settled = (write: (callback: (error?: Error | null) => void) => unknown) =>
  new Promise<string>((resolve) => void write((error) => resolve((error as NodeJS.ErrnoException | undefined)?.code ?? 'written')))

eachEngine('chunks that wait keep the bytes that they had', async (t, engine) => {
  const { log } = newLog(t, engine)
  const path = join(folder(t), 'region')
  writeFileSync(path, 'b'.repeat(4096))
  const region = pmem.map(path, undefined, { memory: capabilities.externalBuffers ? 'external' : 'wasm' })
  const reused = Buffer.from('cc')
  const moved = new Uint8Array([100, 100])
  const stream = log.createWriteStream()
  stream.write('a')
  stream.write(region.view(Uint8Array, 0, 2))
  stream.write(reused)
  stream.write(moved)
  reused.fill('x')
  structuredClone(moved, { transfer: [moved.buffer] })
  region.close()
  stream.end(new DataView(new TextEncoder().encode('e').buffer))
  await finished(stream)
  t.is(contents(log).toString(), 'abbccdde')
})

eachEngine('corked chunks keep the bytes that they had', async (t, engine) => {
  const { log } = newLog(t, engine)
  const reused = Buffer.from('a')
  const stream = log.createWriteStream()
  stream.cork()
  stream.write(reused)
  reused.fill('b')
  stream.end(reused)
  reused.fill('c')
  await finished(stream)
  t.is(contents(log).toString(), 'ab')
})

eachEngine('a chunk whose memory is gone at the call fails the stream', async (t, engine) => {
  for (const end of [false, true]) {
    const { log } = newLog(t, engine)
    const gone = new Uint8Array(8)
    structuredClone(gone, { transfer: [gone.buffer] })
    const stream = log.createWriteStream()
    stream.write('before')
    const failed = rejects(t, 'ERR_INVALID_ARG_VALUE', () => finished(stream))
    t.is(await settled((callback) => (end ? stream.end(gone, callback) : stream.write(gone, callback))), 'ERR_INVALID_ARG_VALUE')
    await failed
    await log.appendAsync('.')
    t.is(contents(log).toString(), 'before.')
  }
})

eachEngine('a chunk over a file that was cut is never appended as zeros', async (t, engine) => {
  if (process.platform !== 'linux') return void t.pass()
  const { log } = newLog(t, engine)
  const path = join(folder(t), 'region')
  writeFileSync(path, 'b'.repeat(64 * KiB))
  const region = pmem.map(path)
  const bytes = region.view(Uint8Array)
  const stream = log.createWriteStream()
  stream.write('a')
  stream.write(bytes.subarray(0, 2))
  truncateSync(path, 0)
  const failed = rejects(t, 'ERR_PMEM_FAULT', () => finished(stream))
  stream.write(bytes.subarray(4096, 4098))
  await failed
  await log.appendAsync('.')
  t.is(contents(log).toString(), 'abb.')
  region.close()
})

eachEngine('a full log keeps the chunks that fit, in order, and says how much', async (t, engine) => {
  for (const corked of [false, true]) {
    const { log, path } = newLog(t, engine)
    log.append(Buffer.alloc(log.nbyte() - 1000))
    const start = log.tell()
    const stream = log.createWriteStream()
    if (corked) stream.cork()
    // 15 chunks of 64 bytes fit; the one that does not goes before some that would.
    const chunks = Array.from({ length: 100 }, (_, index) => pattern(index === 15 ? 64 : index > 15 ? 8 : 64, index + 1))
    for (const chunk of chunks) stream.write(chunk)
    if (corked) stream.uncork()
    const expected = { path, message: /the stream appended 960 bytes before/ }
    const error = await t.throwsAsync<NodeJS.ErrnoException & { bytesWritten?: number }>(finished(stream))
    await rejects(t, 'ENOSPC', () => Promise.reject(error), expected)
    t.is(error?.bytesWritten, 960)
    t.is(stream.bytesWritten, 960)
    t.is(log.tell(), start + 960)
    sameBytes(t, log.read(start, 960), Buffer.concat(chunks).subarray(0, 960))
    log.close()
  }
})

eachEngine('streams that fill a log together append whole chunks, as many as they say', async (t, engine) => {
  const { log, path } = newLog(t, engine)
  log.append(Buffer.alloc(log.nbyte() - 5000))
  const start = log.tell()
  const streams = ['a', 'b', 'c'].map((letter) => {
    const stream = log.createWriteStream()
    for (let index = 0; index < 200; index += 1) stream.write(letter.repeat(70))
    return stream
  })
  await Promise.all(streams.map((stream) => rejects(t, 'ENOSPC', () => finished(stream), { path })))
  const rest = log.read(start, log.tell() - start).toString()
  t.is(rest.length, streams.reduce((sum, { bytesWritten }) => sum + bytesWritten, 0))
  t.regex(rest, /^(a{70}|b{70}|c{70})+$/)
  t.true(5000 - rest.length < 70)
})
