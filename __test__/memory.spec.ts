/** What is left when regions, buffers and views are dropped in any order, or used by the runtime's own threads. */

import { randomFill } from 'node:crypto'
import { closeSync, openSync, read, readFileSync, write } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type ZlibOptions, deflate, inflateSync } from 'node:zlib'
import test from 'ava'
import { capabilities, pmem } from 'pmem'
import { file, mapped, text } from './helpers/files.js'
import { linux } from './helpers/linux.js'
import { collect, mappings, maps } from './helpers/memory.js'

/** Maps a file, uses the region and drops it. */
function dropped(path: string, use: (region: pmem.Region) => unknown): WeakRef<pmem.Region> {
  const region = pmem.map(path)
  use(region)
  return new WeakRef(region)
}

/** Maps a file many times and uses each region in another way. */
function dropMany(path: string, count: number): void {
  for (let index = 0; index < count; index += 1) {
    dropped(path, (region) => {
      if (index % 4 === 1) region.write('touched')
      if (index % 4 === 2) region.read(4)
      if (index % 4 === 3 && capabilities.externalBuffers) region.view(Int32Array)[0] = index
    })
  }
}

linux('10,000 regions that are dropped leave no mapping', async (t) => {
  const path = file(t)
  const before = maps().length
  dropMany(path, 10_000)
  t.true(mappings(path) > 9000)
  t.true(await collect(() => mappings(path) === 0), `${mappings(path)} mappings are left`)
  t.true(await collect(() => maps().length < before + 200), `${maps().length} mappings, ${before} before`)
})

linux('10,000 regions that are closed leave no mapping, nor addresses', async (t) => {
  const path = file(t)
  const before = maps().length
  for (let count = 0; count < 10_000; count += 1) dropped(path, (region) => (region.write('touched'), region.close()))
  t.is(mappings(path), 0)
  t.true(await collect(() => maps().length < before + 200), `${maps().length} mappings, ${before} before`)
})

linux('a view keeps the memory of a collected region', async (t) => {
  const path = file(t)
  const views = new Map<string, Uint8Array>()
  const region = dropped(path, (mapping) => views.set('kept', mapping.view(Uint8Array, 10, 5)))
  t.true(await collect(() => region.deref() === undefined))
  t.is(views.get('kept')?.length, 5)
  views.get('kept')?.set(Buffer.from('later'))
  t.is(text(path, 15, 10), 'later')
  t.true(mappings(path) > 0)
  views.clear()
  t.true(await collect(() => mappings(path) === 0))
})

linux('a buffer keeps the memory of a collected region', async (t) => {
  const path = file(t, 2 ** 16)
  const buffers: ArrayBuffer[] = []
  const region = dropped(path, (mapping) => buffers.push(mapping.buffer))
  t.true(await collect(() => region.deref() === undefined))
  for (const buffer of buffers) Buffer.from(buffer).write('later')
  t.is(text(path, 5), 'later')
  t.true(mappings(path) > 0)
})

linux('a dropped region that is being persisted', async (t) => {
  const path = file(t, 2 ** 20)
  const jobs: Promise<void>[] = []
  dropped(path, (region) => (region.fill(1, 0, 2 ** 20, { durable: false }), jobs.push(region.persistAsync())))
  t.true(await collect(() => mappings(path) === 0))
  t.deepEqual(await Promise.all(jobs), [undefined])
  t.true(readFileSync(path).every((byte) => byte === 1))
})

linux('a context keeps its region', async (t) => {
  const path = file(t)
  const contexts: pmem.FlushContext[] = []
  dropped(path, (region) => contexts.push(new pmem.FlushContext(region)))
  await collect(() => mappings(path) === 0)
  t.is(mappings(path), 1)
  for (const context of contexts) t.is(context.run((region) => region.write('kept')), 4)
  t.is(mappings(path), 0)
  t.is(text(path, 4), 'kept')
})

/** So long that a job over it is under way when the finalizers of its buffer run, if no other test keeps them waiting. */
const LONG = 2 ** 24

test.serial('a job of zlib over a view, while the region is closed', async (t) => {
  const { region } = mapped(t, Buffer.alloc(LONG, 'x'))
  // Node.js itself fails, or aborts, where it comes back to an emptied view for a second chunk.
  const job = promisify<Uint8Array, ZlibOptions, Buffer>(deflate)(region.view(Uint8Array), { chunkSize: 2 ** 20 })
  region.close()
  const inflated = inflateSync(await job)
  t.is(inflated.length, LONG)
  t.true(consistsOf(inflated, 0, 0x78))
})

test.serial('a job of fs.write over a view, while the region is closed', async (t) => {
  const { path, region } = mapped(t, Buffer.alloc(LONG, 'x'))
  const target = join(path, '../target')
  const descriptor = openSync(target, 'w')
  const job = promisify(write)(descriptor, region.view(Uint8Array))
  region.close()
  t.is((await job).bytesWritten, LONG)
  closeSync(descriptor)
  t.true(consistsOf(readFileSync(target), 0, 0x78))
  t.true(consistsOf(readFileSync(path), 0x78))
})

test.serial('a job of fs.read into a view, while the region is closed', async (t) => {
  const { path, region } = mapped(t, LONG)
  const descriptor = openSync(file(t, Buffer.alloc(LONG, 'x')), 'r')
  const job = promisify(read)(descriptor, region.view(Uint8Array), 0, LONG, 0)
  region.close()
  t.is((await job).bytesRead, LONG)
  closeSync(descriptor)
  t.true(consistsOf(readFileSync(path), 0, 0x78))
})

test.serial('a job of crypto into a view, while the region is closed', async (t) => {
  const { region } = mapped(t, LONG)
  const view = region.view(Uint8Array)
  const job = promisify<Uint8Array, Uint8Array>(randomFill)(view)
  region.close()
  t.is((await job).length, 0)
})

/** Whether bytes are all of these values. */
function consistsOf(bytes: Buffer, ...values: number[]): boolean {
  for (const byte of bytes) if (!values.includes(byte)) return false
  return true
}
