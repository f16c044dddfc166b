/** `region.grow` and `maxLength`. What buffers do is tested in `test-runtimes/suite/grow.mjs`. */

import { closeSync, existsSync, openSync, promises, readFileSync, readdirSync, readlinkSync, renameSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { capabilities, pmem } from 'pmem'
import { onSmall, smallDisk } from './helpers/disks.js'
import { rejects, throws } from './helpers/errors.js'
import { external } from './helpers/external.js'
import { file, folder, text } from './helpers/files.js'
import { linux } from './helpers/linux.js'
import { mappings } from './helpers/memory.js'
import { root } from './helpers/programs.js'

const { pageSize } = capabilities
const MEGABYTE = 2 ** 20
const maxLength = 2 ** 30

// Elsewhere `maxLength` is refused.
const grows = process.platform === 'win32' ? test.skip : test

/** A new file with a region that may grow to 1 GiB; it is closed when the test ends. */
function growing(t: ExecutionContext, options: pmem.MapFileOptions = {}): { path: string; region: pmem.Region } {
  const path = join(folder(t), 'file')
  const region = pmem.mapFile(path, { length: 4096, create: true, maxLength, ...options }) as pmem.Region
  t.teardown(() => region.close())
  return { path, region }
}

grows('the file and the region become longer, and all of it is used', async (t) => {
  const { path, region } = growing(t)
  region.write('first')
  region.seek(4000)
  for (const length of [4097, 3 * pageSize, MEGABYTE, 4 * MEGABYTE]) {
    const before = region.byteLength
    t.is(region.grow(length), undefined)
    t.is(region.byteLength, length)
    t.is(statSync(path).size, length)
    t.is(region.position, before === 4096 ? 4000 : before)
    region.fill(1, before)
    region.seek(length)
    throws(t, 'ERR_OUT_OF_RANGE', () => region.write('x'))
    throws(t, 'ERR_PMEM_EOF', () => region.read())
    throws(t, { code: 'ERR_OUT_OF_RANGE', says: `<= ${length}` }, () => region.persist(length + 1))
    region.persist(before, length - before)
    region.flush(before)
    region.msync(before)
    region.persistMany([[0, 5], [before, length - before]])
    await region.persistAsync(before)
    region.copyFrom('end', length - 3)
    region.advise('willneed')
  }
  region.grow(BigInt(5 * MEGABYTE))
  t.is(text(path, 5), 'first')
  t.is(text(path, MEGABYTE, MEGABYTE - 3), 'end')
  t.deepEqual(readFileSync(path).subarray(4 * MEGABYTE), Buffer.alloc(MEGABYTE))
  region[Symbol.dispose]()
  t.is(statSync(path).size, 5 * MEGABYTE)
})

grows('a length that it cannot have is refused, and nothing has changed', (t) => {
  const { path, region } = growing(t, { maxLength: 10_000 })
  for (const length of [4095, 1, 10_001, 2 ** 52]) throws(t, { code: 'ERR_OUT_OF_RANGE', says: '"length"' }, () => region.grow(length))
  throws(t, { code: 'ERR_OUT_OF_RANGE', says: '<= 10000, the maxLength' }, () => region.grow(10_001))
  for (const length of [0, -1, 1.5, Number.NaN, 2 ** 53]) throws(t, { code: 'ERR_OUT_OF_RANGE', says: '"length"' }, () => region.grow(length))
  for (const length of [undefined, null, '5000', {}]) throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"length"' }, () => region.grow(length as never))
  region.grow(4096)
  t.is(region.byteLength, 4096)
  t.is(statSync(path).size, 4096)
  region.grow(10_000)
  t.is(region.byteLength, 10_000)
  for (const wrong of [0, -1, 1.5, 4095]) {
    throws(t, { code: 'ERR_OUT_OF_RANGE', says: '"maxLength"' }, () => pmem.mapFile(`${path}.new`, { length: 4096, create: true, maxLength: wrong }))
    t.false(existsSync(`${path}.new`))
    throws(t, { code: 'ERR_OUT_OF_RANGE', says: '"maxLength"' }, () => pmem.map(path, 4096, { maxLength: wrong }))
  }
  throws(t, { code: 'ENOMEM', path, says: 'a smaller maxLength' }, () => pmem.map(path, 4096, { maxLength: 2 ** 52 }))
  throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"maxLength"' }, () => pmem.map(path, 4096, { maxLength: '1' as never }))
})

grows('a reservation takes addresses alone, and the file is mapped once', (t) => {
  const { path, region } = growing(t, { maxLength: 2 ** 40 })
  region.grow(MEGABYTE)
  if (process.platform === 'linux') t.is(mappings(path), 1)
  t.is(statSync(path).size, MEGABYTE)
  region.close()
  if (process.platform === 'linux') t.is(mappings(path), 0)
})

linux('without maxLength it grows in place, or the error says what to do and nothing has changed', (t) => {
  const path = file(t, 100)
  const regions = Array.from({ length: 20 }, () => pmem.mapFile(path))
  const [first] = regions
  first!.grow(200)
  t.is(statSync(path).size, 200)
  let refused = 0
  for (const region of regions) {
    const [before, { size }] = [region.byteLength, statSync(path)]
    try {
      region.grow(64 * MEGABYTE)
      t.is(statSync(path).size, 64 * MEGABYTE)
      region.write('it did')
      region.persist()
    } catch {
      refused += 1
      throws(t, { code: 'ERR_PMEM_UNSUPPORTED', says: 'maxLength' }, () => region.grow(64 * MEGABYTE))
      t.is(region.byteLength, before)
      t.is(statSync(path).size, size)
      region.write('it did not')
      region.persist()
    }
  }
  t.true(refused > 0)
  for (const region of regions) region.close()
  t.is(mappings(path), 0)
})

grows('a file that was replaced at its path is left alone', (t) => {
  const path = file(t, 100)
  const [kept, other] = [pmem.map(path, undefined, { maxLength }), pmem.map(path)]
  renameSync(path, `${path}.moved`)
  writeFileSync(path, 'another')
  // For a WebAssembly memory the file is kept open too.
  if (capabilities.externalBuffers) throws(t, { code: 'ERR_PMEM_UNSUPPORTED', says: 'maxLength' }, () => other.grow(200))
  t.is(statSync(`${path}.moved`).size, 100)
  kept.grow(200)
  t.is(statSync(`${path}.moved`).size, 200)
  t.is(readFileSync(path, 'utf8'), 'another')
  kept.close()
  other.close()
})

grows('a region over a descriptor or a FileHandle that is closed by now, and one without a name', async (t) => {
  const path = file(t, 100)
  const descriptor = openSync(path, 'r+')
  const handle = await promises.open(path, 'r+')
  const regions = [pmem.map(descriptor, undefined, { maxLength }), pmem.map(handle, undefined, { maxLength })]
  const without = pmem.map(descriptor)
  // For a WebAssembly memory the file is kept open too.
  if (capabilities.externalBuffers) throws(t, { code: 'ERR_PMEM_UNSUPPORTED', says: 'maxLength' }, () => without.grow(200))
  without.close()
  closeSync(descriptor)
  await handle.close()
  for (const [index, region] of regions.entries()) {
    region.grow(200 + index)
    t.is(statSync(path).size, 200 + index)
    region.close()
  }
  const unnamed = pmem.mapFile(folder(t), { tmpfile: true, length: 100, maxLength })
  unnamed.grow(MEGABYTE)
  unnamed.copyFrom('here', MEGABYTE - 4)
  unnamed.close()
})

linux('the file is closed with the region', (t) => {
  const path = file(t)
  const open = () => openFiles().filter((name) => name === path).length
  const region = pmem.map(path, undefined, { maxLength })
  t.is(open(), 1)
  region.grow(8192)
  t.is(open(), 1)
  region.close()
  t.is(open(), 0)
})

/** The paths of all files that this process has open. */
function openFiles(): string[] {
  return readdirSync('/proc/self/fd').map((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`)
    } catch {
      return ''
    }
  })
}

grows('from an offset', (t) => {
  const path = file(t, pageSize)
  const region = pmem.mapFile(path, { offset: pageSize, length: 100, create: true, maxLength: 2 * pageSize })
  region.grow(pageSize + 1)
  t.is(statSync(path).size, 2 * pageSize + 1)
  region.copyFrom('x', pageSize)
  region.close()
  t.is(text(path, 2 * pageSize + 1, 2 * pageSize), 'x')
})

grows('a file that is longer already is not made shorter, nor longer', (t) => {
  const path = file(t, 'ab'.repeat(pageSize))
  const region = pmem.map(path, 10, { maxLength })
  region.grow(pageSize + 10)
  t.is(statSync(path).size, 2 * pageSize)
  t.is(region.byteLength, pageSize + 10)
  t.is(region.read().toString(), 'ab'.repeat(pageSize / 2 + 5))
  region.close()
})

grows('readonly and copy-on-write regions follow a file that grows, and do not make it longer', (t) => {
  const { path, region } = growing(t)
  for (const options of [{ readonly: true }, { copyOnWrite: true }]) {
    // It has its WebAssembly memory from the start.
    if ('copyOnWrite' in options && !capabilities.externalBuffers) continue
    const other = pmem.map(path, 4096, { maxLength, ...options })
    const { size } = statSync(path)
    throws(t, { code: 'EACCES', path, says: 'grows through another region' }, () => other.grow(size + 1))
    t.is(other.byteLength, 4096)
    t.is(statSync(path).size, size)
    region.grow(size + MEGABYTE)
    region.copyFrom('seen', size)
    other.grow(size + MEGABYTE)
    other.seek(size)
    t.is(other.read(4).toString(), 'seen')
    other.close()
  }
})

grows('blocks are allocated, or not where the file was made sparse', (t) => {
  for (const sparse of [false, true]) {
    const { path, region } = growing(t, { sparse })
    region.grow(MEGABYTE)
    t.is(statSync(path).blocks * 512 >= MEGABYTE, !sparse)
  }
})

grows('minLength with maxLength, and a file that is longer than that', (t) => {
  const path = file(t, 8192)
  const region = pmem.mapFile(path, { minLength: 4096, maxLength: 10_000, create: true })
  region.grow(10_000)
  t.is(statSync(path).size, 10_000)
  region.close()
  throws(t, { code: 'ERR_OUT_OF_RANGE', says: '"maxLength"' }, () => pmem.mapFile(path, { minLength: 1, maxLength: 9999, create: true }))
  throws(t, { code: 'ERR_OUT_OF_RANGE', says: '"maxLength"' }, () => pmem.mapFile(path, { maxLength: 9999 }))
  t.is(statSync(path).size, 10_000)
})

grows('a file that was cut is a fault, and does not grow', (t) => {
  const { path, region } = growing(t)
  region.grow(MEGABYTE)
  region.fill(1)
  truncateSync(path, 4096)
  throws(t, { code: 'ERR_PMEM_FAULT', path }, () => region.fill(2))
  throws(t, { code: 'ERR_PMEM_FAULT', path }, () => region.grow(2 * MEGABYTE))
  t.is(statSync(path).size, 4096)
  region.close()
})

grows('calls that were put off before, and two regions of one file', async (t) => {
  const { path, region } = growing(t)
  const other = pmem.map(path, undefined, { maxLength })
  const pending: Promise<void>[] = []
  for (let length = 8192; length <= MEGABYTE; length += 4096) {
    const grown = length % 8192 === 0 ? region : other
    pending.push(region.persistAsync(), other.persistAsync(0, 8))
    grown.grow(length)
    grown.copyFrom(String(length), length - 8, { durable: false })
  }
  pending.push(region.persistAsync(), other.persistAsync())
  await Promise.all(pending)
  other.close()
  t.is(statSync(path).size, MEGABYTE)
  t.is(text(path, MEGABYTE - 1, MEGABYTE - 8), String(MEGABYTE))
  region.close()
  await rejects(t, 'ERR_PMEM_CLOSED', () => region.persistAsync())
})

grows('workers grow regions of the same file at once', async (t) => {
  const path = file(t)
  const program = `
    const { workerData: { root, path, maxLength, letter } } = require('node:worker_threads')
    const { pmem } = require(root)
    const region = pmem.map(path, 4096, { maxLength })
    for (let length = 8192; length <= 2 ** 20; length += 4096) {
      region.grow(length)
      region.copyFrom(letter, length - (letter === 'a' ? 1 : 2))
    }
  `
  const workers = ['a', 'b'].map((letter) => new Worker(program, { eval: true, workerData: { root, path, maxLength, letter } }))
  const codes = await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('error', resolve).once('exit', resolve))))
  t.deepEqual(codes, [0, 0])
  const bytes = readFileSync(path)
  t.is(bytes.length, MEGABYTE)
  for (let end = 8192; end <= MEGABYTE; end += 4096) t.is(bytes.toString('latin1', end - 2, end), 'ba', String(end))
})

const full = onSmall('tmpfs')

full('on a full disk nothing has changed, and the region goes on', external((t) => {
  const path = join(smallDisk(t, 'tmpfs', 1), 'file')
  const region = pmem.mapFile(path, { length: 4096, create: true, maxLength })
  const view = region.view(Uint8Array)
  for (let round = 0; round < 3; round += 1) {
    throws(t, { code: 'ENOSPC', syscall: 'posix_fallocate', path }, () => region.grow(2 * MEGABYTE))
    t.is(region.byteLength, 4096)
    t.is(statSync(path).size, 4096)
    t.true(statSync(path).blocks * 512 < MEGABYTE)
    t.is(region.view(Uint8Array).buffer, view.buffer)
    view.fill(round)
    region.persist()
  }
  region.grow(MEGABYTE / 2)
  region.fill(7)
  region.close()
  t.is(statSync(path).size, MEGABYTE / 2)
}))

onSmall('ext4')('on a full ext4 too', (t) => {
  const path = join(smallDisk(t, 'ext4', 8), 'file')
  const region = pmem.mapFile(path, { length: 4096, create: true, maxLength })
  region.fill(1)
  const { blocks } = statSync(path)
  throws(t, { code: 'ENOSPC', path }, () => region.grow(64 * MEGABYTE))
  t.is(statSync(path).size, 4096)
  t.is(statSync(path).blocks, blocks)
  region.grow(MEGABYTE)
  region.fill(2)
  region.close()
  t.is(statSync(path).size, MEGABYTE)
})

full('a sparse file may grow beyond the disk', (t) => {
  const path = join(smallDisk(t, 'tmpfs', 1), 'file')
  const region = pmem.mapFile(path, { length: 4096, create: true, sparse: true, maxLength })
  region.grow(4 * MEGABYTE)
  region.copyFrom('fits', 3 * MEGABYTE)
  throws(t, { code: 'ERR_PMEM_FAULT', path }, () => region.fill(1))
  region.close()
})

if (capabilities.wasmMemory) {
  for (const options of [{ memory: 'wasm' }, { shared: true }] as const) {
    grows(`a region in a WebAssembly memory grows before that is made: ${JSON.stringify(options)}`, (t) => {
      const { path, region } = growing(t, options)
      region.grow(65_536)
      const { buffer } = region
      t.is(buffer.byteLength, 65_536)
      throws(t, { code: 'ERR_PMEM_UNSUPPORTED', says: 'WebAssembly memory' }, () => region.grow(2 * 65_536))
      region.grow(65_536)
      t.is(region.byteLength, 65_536)
      t.is(statSync(path).size, 65_536)
      if ('shared' in options) {
        const attached = pmem.attach(buffer as unknown as SharedArrayBuffer)
        throws(t, { code: 'ERR_PMEM_UNSUPPORTED', says: 'WebAssembly memory' }, () => attached.grow(2 * 65_536))
        attached.close()
      }
      region.view(Uint8Array)[65_535] = 0x78
      region.persist()
      t.is(text(path, 65_536, 65_535), 'x')
    })
  }
}

grows('disposal and scopes persist all of it', (t) => {
  const { path, region } = growing(t)
  new pmem.FlushContext(region).run((given) => {
    given.grow(8192)
    given.seek(8000)
    given.write('behind')
  })
  t.true(region.closed)
  t.is(text(path, 8006, 8000), 'behind')
})

test('on Windows maxLength is refused, and so is growing', (t) => {
  if (process.platform !== 'win32') return void t.pass('this is no Windows')
  const path = file(t)
  throws(t, { code: 'ERR_PMEM_UNSUPPORTED', says: 'Windows' }, () => pmem.map(path, undefined, { maxLength }))
  const region = pmem.map(path)
  throws(t, { code: 'ERR_PMEM_UNSUPPORTED', says: 'Windows' }, () => region.grow(8192))
  region.close()
})

