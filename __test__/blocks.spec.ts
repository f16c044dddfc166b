import { readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { pmemblk, pmemlog } from 'pmem'
import { dataKinds, overlong } from './helpers/pools-data.js'
import {
  GiB,
  KiB,
  MiB,
  durableIsCheap,
  eachEngine,
  eachPair,
  engines,
  file,
  folder,
  growPool,
  newBlocks,
  newLog,
  nothings,
  pattern,
  refuses,
  rejects,
  sameBytes,
} from './helpers/pools.js'

/** How many blocks a pool has, after the format's description. */
function blocksIn(poolSize: number, blockSize: number): number {
  const up = (value: number, unit: number): number => Math.ceil(value / unit) * unit
  const arena = 512 * GiB
  let rest = poolSize - (poolSize % 4096) - 8192
  let count = 0
  while (rest >= 16 * MiB) {
    const size = Math.min(rest, arena)
    const available = size - 8192 - up(256 * 64, 4096)
    count += Math.floor((available - 4096) / (up(Math.max(blockSize, 512), 256) + 4)) - 256
    rest -= size
  }
  return count
}

/** A block as it reads after data was written to it. */
function padded(data: Uint8Array | string, blockSize: number): Buffer {
  return Buffer.concat([typeof data === 'string' ? Buffer.from(data) : data], blockSize)
}

test('checkVersion knows libpmemblk 1.1', (t) => {
  t.true(pmemblk.checkVersion(1, 0))
  t.true(pmemblk.checkVersion(1, 1))
  for (const [major, minor] of [[1, 2], [2, 0], [0, 0], [0, 1], [2 ** 32 - 1, 0]] as const) {
    refuses(t, 'ERR_PMEM_VERSION', () => pmemblk.checkVersion(major, minor), { message: new RegExp(`${major}\\.${minor}`) })
  }
  for (const wrong of ['1', ...nothings] as never[]) refuses(t, 'ERR_INVALID_ARG_TYPE', () => pmemblk.checkVersion(1, wrong))
  for (const wrong of [-1, 0.5, NaN, 2 ** 32]) refuses(t, 'ERR_OUT_OF_RANGE', () => pmemblk.checkVersion(wrong, 0))
})

eachEngine('the blocks of the documentation', (t, engine) => {
  const path = file(t, 'happy_blocks.pmemblk')
  using blocks = pmemblk.create(path, 256, 1 << 30, { engine })
  t.is(statSync(path).size, 1 << 30)
  t.is(blocks.nblock(), 2_080_567)
  t.is(blocks.bsize(), 256)
  t.is(blocks.engine, engine)
  t.false(blocks.closed)
  blocks.write('persistent block!', 20)
  t.is(blocks.readText(20), 'persistent block!')
  blocks.close()
  t.true(blocks.closed)
  using again = pmemblk.open(path)
  t.is(again.bsize(), 256)
  t.is(again.nblock(), 2_080_567)
  t.is(again.readText(20), 'persistent block!')
  sameBytes(t, again.read(20), padded('persistent block!', 256))
})

eachEngine('the default is blocks of 512 bytes in the smallest pool', (t, engine) => {
  const path = file(t)
  using blocks = pmemblk.create(path, undefined, undefined, { engine })
  t.is(statSync(path).size, pmemblk.MIN_POOL)
  t.is(blocks.bsize(), 512)
  t.is(blocks.nblock(), blocksIn(pmemblk.MIN_POOL, 512))
})

test('what auto chooses is an engine of this build, and its blocks work', (t) => {
  const path = file(t)
  using blocks = pmemblk.create(path)
  t.true(engines.includes(blocks.engine as never))
  blocks.write('auto', 1)
  blocks.close()
  for (const again of [pmemblk.open(path), pmemblk.open(path, 0, { engine: 'auto' }), pmemblk.open(path, undefined, {})]) {
    t.is(again.readText(1), 'auto')
    again.close()
  }
})

eachEngine('a pool has as many blocks as in the NVM Library', (t, engine) => {
  const where = folder(t)
  const pools: [number, number][] = [
    [512, 32 * MiB],
    ...[1, 8, 255, 256, 511, 512, 513, 768, 769, 4096].map((bsize): [number, number] => [bsize, pmemblk.MIN_POOL]),
    ...[1, 4095, 4096, 4097, 1_234_567].map((more): [number, number] => [512, pmemblk.MIN_POOL + more]),
    [65_536, 64 * MiB],
    [100_000, 64 * MiB],
  ]
  t.is(blocksIn(32 * MiB, 512), 64_700)
  t.is(blocksIn(GiB, 256), 2_080_567)
  for (const [index, [bsize, size]] of pools.entries()) {
    const path = join(where, String(index))
    using blocks = pmemblk.create(path, bsize, size, { engine, sparse: true })
    t.is(blocks.bsize(), bsize)
    t.is(blocks.nblock(), blocksIn(size, bsize), `${bsize} in ${size}`)
    t.is(statSync(path).size, size)
    const last = blocks.nblock() - 1
    blocks.write(Buffer.of(1), last)
    blocks.close()
    t.true(pmemblk.check(path))
    using again = pmemblk.open(path, bsize, { engine })
    t.is(again.nblock(), last + 1)
    sameBytes(t, again.read(last), padded(Buffer.of(1), bsize))
  }
})

for (const bsize of [1, 8, 511, 512, 513, 4096, 65_535, 65_536, 65_537, 100_000, MiB]) {
  eachPair(`blocks of ${bsize} bytes are whole`, async (t, made, opened) => {
    const size = Math.max(pmemblk.MIN_POOL, 530 * bsize + 2 * MiB)
    const { blocks, path } = newBlocks(t, made, bsize, size, { sparse: true })
    const last = blocks.nblock() - 1
    const written = new Map<number, Buffer>()
    const indexes = [0, 1, 7, last >> 1, last - 1, last]
    for (const index of indexes) {
      const data = pattern(bsize, index + 1)
      written.set(index, data)
      blocks.write(data, index)
    }
    await blocks.writeAsync(pattern(bsize, 99), 2)
    written.set(2, pattern(bsize, 99))
    const row = pattern(3 * bsize, 98)
    blocks.writeMany(10, row)
    for (let index = 0; index < 3; index += 1) written.set(10 + index, row.subarray(index * bsize, (index + 1) * bsize))
    written.set(3, Buffer.alloc(bsize))
    const areThere = (blocks: pmemblk.BlockArray) => {
      const target = Buffer.alloc(bsize + 1, 0xee)
      for (const [index, data] of written) {
        sameBytes(t, blocks.read(index), data)
        blocks.readInto(target, index)
        sameBytes(t, target.subarray(0, bsize), data)
        t.is(target[bsize], 0xee)
      }
      sameBytes(t, blocks.readMany(10, 3), row)
    }
    areThere(blocks)
    blocks.close()
    t.true(pmemblk.check(path, bsize))
    using again = pmemblk.open(path, bsize, { engine: opened })
    t.is(again.engine, opened)
    areThere(again)
  })
}

eachEngine('a block size that is none, or too large for its pool, is refused, and no file is left', (t, engine) => {
  const path = file(t)
  const create = (bsize: never, size?: number) => () => pmemblk.create(path, bsize, size, { engine })
  for (const wrong of [0, 0n, -1, -1n, 0.5, NaN, Infinity, 2 ** 32, 2 ** 53, 2n ** 64n] as never[]) {
    refuses(t, 'ERR_OUT_OF_RANGE', create(wrong))
    if (wrong !== (0 as never) && wrong !== (0n as never)) {
      refuses(t, 'ERR_OUT_OF_RANGE', () => pmemblk.open(path, wrong, { engine }))
      refuses(t, 'ERR_OUT_OF_RANGE', () => pmemblk.check(path, wrong))
    }
  }
  for (const wrong of ['512', ...nothings.filter((value) => value !== undefined)] as never[]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', create(wrong))
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => pmemblk.open(path, wrong, { engine }))
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => pmemblk.check(path, wrong))
  }
  for (const [bsize, size] of [[65_536, pmemblk.MIN_POOL], [MiB, 400 * MiB], [2 ** 32 - 1, 64 * MiB], [17 * MiB, 0]] as [never, number][]) {
    refuses(t, size === 0 ? 'ENOENT' : 'ERR_OUT_OF_RANGE', create(bsize, size))
  }
  t.deepEqual(readdirSync(dirname(path)), [])
})

eachEngine('another block size is refused on opening, and checks as false', (t, engine) => {
  const { blocks, path } = newBlocks(t, engine, 256)
  blocks.write('kept', 0)
  blocks.close()
  refuses(t, 'EINVAL', () => pmemblk.open(path, 512, { engine }), { path, syscall: 'pmemblk_open' })
  refuses(t, 'EINVAL', () => pmemblk.open(path, 255, { engine }))
  t.false(pmemblk.check(path, 512))
  t.true(pmemblk.check(path, 256))
  t.true(pmemblk.check(path, 256n))
  t.true(pmemblk.check(path, 0))
  t.true(pmemblk.check(path))
  using again = pmemblk.open(path, 256n, { engine })
  t.is(again.readText(0), 'kept')
})

eachEngine('an index that is no block is refused', async (t, engine) => {
  const { blocks } = newBlocks(t, engine, 64)
  const last = blocks.nblock() - 1
  const [data, target] = [Buffer.alloc(64), Buffer.alloc(64)]
  const calls = [
    (index: never) => blocks.read(index),
    (index: never) => blocks.readText(index),
    (index: never) => blocks.readInto(target, index),
    (index: never) => blocks.readMany(index, 1),
    (index: never) => blocks.write(data, index),
    (index: never) => blocks.writeMany(index, data),
    (index: never) => blocks.setZero(index),
    (index: never) => blocks.setError(index),
  ]
  const asyncCalls = [(index: never) => blocks.writeAsync(data, index), (index: never) => blocks.writeManyAsync(index, data)]
  for (const wrong of [-1, last + 1, -1n, BigInt(last + 1), 0.5, NaN, -Infinity, 2 ** 32, 2 ** 53, 2n ** 64n] as never[]) {
    for (const call of calls) refuses(t, 'ERR_OUT_OF_RANGE', () => call(wrong))
    for (const call of asyncCalls) await rejects(t, 'ERR_OUT_OF_RANGE', () => call(wrong))
  }
  for (const wrong of ['1', ...nothings] as never[]) {
    for (const call of calls) refuses(t, 'ERR_INVALID_ARG_TYPE', () => call(wrong))
    for (const call of asyncCalls) await rejects(t, 'ERR_INVALID_ARG_TYPE', () => call(wrong))
  }
  for (const right of [0, 0n, last, BigInt(last)]) {
    for (const call of calls) t.notThrows(() => call(right as never))
    for (const call of asyncCalls) await t.notThrowsAsync(() => call(right as never))
  }
})

for (const [what, data, expected] of dataKinds) {
  eachEngine(`${what} is written as its bytes, and zeros`, async (t, engine) => {
    const { blocks } = newBlocks(t, engine, 64)
    const writes = [() => blocks.write(data, 3), () => blocks.writeAsync(data, 3)]
    for (const write of writes) {
      blocks.write(Buffer.alloc(64, 0xff), 3)
      t.is(await write(), undefined)
      sameBytes(t, blocks.read(3), padded(expected, 64))
    }
    sameBytes(t, blocks.read(2), Buffer.alloc(64))
    sameBytes(t, blocks.read(4), Buffer.alloc(64))
    if (expected.length !== 48) return
    const { blocks: small } = newBlocks(t, engine, 16)
    small.writeMany(5, data)
    sameBytes(t, small.readMany(5, 3), expected)
    await small.writeManyAsync(8, data)
    sameBytes(t, small.readMany(4, 8), Buffer.concat([Buffer.alloc(16), expected, expected, Buffer.alloc(16)]))
  })
}

eachEngine('shorter data is padded with zeros, never with what crossed before', async (t, engine) => {
  const { log } = newLog(t, engine)
  const { blocks: other } = newBlocks(t, engine, 512)
  for (const bsize of [512, 60_000, 65_536, 65_537, 100_000]) {
    const { blocks } = newBlocks(t, engine, bsize, Math.max(pmemblk.MIN_POOL, 530 * bsize + 2 * MiB), { sparse: true })
    for (const data of ['', 'short', Buffer.alloc(bsize - 1, 1)]) {
      const secret = Buffer.alloc(Math.min(bsize, 65_536), 's')
      for (const spill of [() => log.append(secret), () => blocks.write(secret, 1), () => other.write(secret.subarray(0, 512), 0), () => blocks.read(1)]) {
        spill()
        blocks.write(data, 0)
        sameBytes(t, blocks.read(0), padded(data, bsize))
        spill()
        await blocks.writeAsync(data, 0)
        sameBytes(t, blocks.read(0), padded(data, bsize))
      }
      log.rewind()
    }
  }
})

eachEngine('longer data is refused, and the block is as it was', async (t, engine) => {
  const { blocks } = newBlocks(t, engine, 64)
  blocks.write('before', 1)
  const long = ['x'.repeat(65), 'é'.repeat(33), '€'.repeat(22), Buffer.alloc(65), new Float64Array(9), new ArrayBuffer(65), overlong]
  for (const data of long) {
    refuses(t, 'ERR_OUT_OF_RANGE', () => blocks.write(data, 1))
    await rejects(t, 'ERR_OUT_OF_RANGE', () => blocks.writeAsync(data, 1))
  }
  sameBytes(t, blocks.read(1), padded('before', 64))
  blocks.write('€'.repeat(21), 1)
  t.is(blocks.readText(1), '€'.repeat(21))
  blocks.write(Buffer.alloc(64, 97), 1)
  t.is(blocks.readText(1), 'a'.repeat(64))
})

eachEngine('what is no data is refused, and nothing is written', async (t, engine) => {
  const { blocks } = newBlocks(t, engine, 64)
  for (const wrong of [5, 5n, ...nothings] as never[]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => blocks.write(wrong, 0))
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => blocks.writeMany(0, wrong))
    await rejects(t, 'ERR_INVALID_ARG_TYPE', () => blocks.writeAsync(wrong, 0))
    await rejects(t, 'ERR_INVALID_ARG_TYPE', () => blocks.writeManyAsync(0, wrong))
  }
  sameBytes(t, blocks.readMany(0, 10), Buffer.alloc(640))
})

eachEngine('readText reads to the first NUL', (t, engine) => {
  const { blocks } = newBlocks(t, engine, 16)
  const texts: [string, string][] = [['', ''], ['text', 'text'], ['a\0b', 'a'], ['\0b', ''], ['é€', 'é€'], ['exactly 16 bytes', 'exactly 16 bytes']]
  for (const [written, read] of texts) {
    blocks.write(written, 0)
    t.is(blocks.readText(0), read)
  }
  t.is(blocks.readText(5), '')
  blocks.write(Buffer.from([0xff, 97]), 0)
  t.is(blocks.readText(0), '\ufffda')
})

eachEngine('what read gives is a copy', (t, engine) => {
  const { blocks } = newBlocks(t, engine, 64)
  blocks.write('original', 0)
  const read = blocks.read(0)
  const other = blocks.read(1)
  read.fill(1)
  blocks.readMany(0, 2).fill(2)
  for (const block of blocks) {
    block.fill(3)
    break
  }
  t.is(blocks.readText(0), 'original')
  sameBytes(t, other, Buffer.alloc(64))
  sameBytes(t, read, Buffer.alloc(64, 1))
  blocks.close()
  sameBytes(t, read, Buffer.alloc(64, 1))
})

/** Memory of every kind that can be read into, of `length` bytes, and the bytes themselves. */
function targets(length: number): [NodeJS.ArrayBufferView | ArrayBufferLike, Uint8Array][] {
  const [plain, shared] = [new ArrayBuffer(length), new SharedArrayBuffer(length)]
  const around = new ArrayBuffer(length + 16)
  return [
    [plain, new Uint8Array(plain)],
    [shared, new Uint8Array(shared)],
    [new Uint8Array(around, 7, length), new Uint8Array(around, 7, length)],
    [new DataView(around, 3, length), new Uint8Array(around, 3, length)],
    [new Float64Array(around, 8, length / 8), new Uint8Array(around, 8, length)],
    [new Uint16Array(shared), new Uint8Array(shared)],
    ...[Buffer.alloc(length)].map((buffer): [Buffer, Buffer] => [buffer, buffer]),
  ]
}

for (const bsize of [64, 100_000]) {
  eachEngine(`blocks of ${bsize} bytes are read into any memory, and nothing beyond them`, (t, engine) => {
    const { blocks } = newBlocks(t, engine, bsize, Math.max(pmemblk.MIN_POOL, 530 * bsize + 2 * MiB))
    const rows = pattern(2 * bsize)
    blocks.writeMany(4, rows)
    for (const [target, bytes] of targets(3 * bsize)) {
      bytes.fill(0xee)
      t.is(blocks.readInto(target, 4), undefined)
      sameBytes(t, bytes.subarray(0, bsize), rows.subarray(0, bsize))
      sameBytes(t, bytes.subarray(bsize), Buffer.alloc(2 * bsize, 0xee))
      const read = blocks.readMany(4, 2, target)
      t.is(read.length, 2 * bsize)
      t.is(read.buffer, bytes.buffer as ArrayBuffer)
      t.is(read.byteOffset, bytes.byteOffset)
      sameBytes(t, bytes, Buffer.concat([rows, Buffer.alloc(bsize, 0xee)]))
    }
    for (const [target, bytes] of targets(bsize - 8)) {
      bytes.fill(0xee)
      refuses(t, 'ERR_OUT_OF_RANGE', () => blocks.readInto(target, 4))
      refuses(t, 'ERR_OUT_OF_RANGE', () => blocks.readMany(4, 1, target))
      sameBytes(t, bytes, Buffer.alloc(bsize - 8, 0xee))
    }
    for (const wrong of ['text', 5, null, true, {}, []] as never[]) {
      refuses(t, 'ERR_INVALID_ARG_TYPE', () => blocks.readInto(wrong, 4))
      refuses(t, 'ERR_INVALID_ARG_TYPE', () => blocks.readMany(4, 1, wrong))
    }
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => blocks.readInto(undefined as never, 4))
  })
}

eachEngine('many blocks are read and written in a row', async (t, engine) => {
  const { blocks } = newBlocks(t, engine, 512)
  const last = blocks.nblock() - 1
  const count = durableIsCheap ? 1000 : 200
  const rows = pattern(count * 512)
  blocks.writeMany(100, rows)
  await blocks.writeManyAsync(5000n, rows)
  for (const start of [100, 5000]) {
    sameBytes(t, blocks.readMany(start, count), rows)
    sameBytes(t, blocks.read(start + count - 1), rows.subarray(-512))
    sameBytes(t, blocks.readMany(BigInt(start) - 1n, 2n), Buffer.concat([Buffer.alloc(512), rows.subarray(0, 512)]))
    sameBytes(t, blocks.read(start + count), Buffer.alloc(512))
  }
  t.is(blocks.readMany(0, 0).length, 0)
  blocks.writeMany(0, '')
  blocks.writeMany(last, Buffer.alloc(512, 1))
  sameBytes(t, blocks.readMany(last - 1, 2), Buffer.concat([Buffer.alloc(512), Buffer.alloc(512, 1)]))

  const wrongRows = [Buffer.alloc(511), Buffer.alloc(513), 'x', Buffer.alloc(3 * 512 - 1)]
  for (const wrong of wrongRows) {
    refuses(t, 'ERR_OUT_OF_RANGE', () => blocks.writeMany(0, wrong))
    await rejects(t, 'ERR_OUT_OF_RANGE', () => blocks.writeManyAsync(0, wrong))
  }
  refuses(t, 'ERR_OUT_OF_RANGE', () => blocks.writeMany(last, Buffer.alloc(1024, 2)))
  await rejects(t, 'ERR_OUT_OF_RANGE', () => blocks.writeManyAsync(last, Buffer.alloc(1024, 2)))
  sameBytes(t, blocks.read(last), Buffer.alloc(512, 1))
  sameBytes(t, blocks.read(0), Buffer.alloc(512))
  for (const wrong of [last + 2, -1, 0.5, NaN, 2 ** 53, -1n] as never[]) refuses(t, 'ERR_OUT_OF_RANGE', () => blocks.readMany(0, wrong))
  refuses(t, 'ERR_OUT_OF_RANGE', () => blocks.readMany(last, 2))
  for (const wrong of ['1', ...nothings] as never[]) refuses(t, 'ERR_INVALID_ARG_TYPE', () => blocks.readMany(0, wrong))
})

eachEngine('a block of zeros and one never written read as zeros', (t, engine) => {
  const { blocks, path } = newBlocks(t, engine, 512)
  const zeros = Buffer.alloc(512)
  sameBytes(t, blocks.read(5), zeros)
  t.is(blocks.setZero(5), undefined)
  sameBytes(t, blocks.read(5), zeros)
  blocks.write(Buffer.alloc(512, 1), 5)
  blocks.write(Buffer.alloc(512, 2), 6)
  blocks.setZero(5)
  sameBytes(t, blocks.readMany(4, 3), Buffer.concat([zeros, zeros, Buffer.alloc(512, 2)]))
  blocks.setZero(5)
  blocks.close()
  t.true(pmemblk.check(path))
  using again = pmemblk.open(path, 0, { engine })
  sameBytes(t, again.readMany(4, 3), Buffer.concat([zeros, zeros, Buffer.alloc(512, 2)]))
  again.write('written', 5)
  t.is(again.readText(5), 'written')
})

function isInError(t: ExecutionContext, blocks: pmemblk.BlockArray, path: string, index: number): void {
  const target = Buffer.alloc(4 * 512)
  const eio = { path, syscall: 'pmemblk_read' }
  refuses(t, 'EIO', () => blocks.read(index), eio)
  refuses(t, 'EIO', () => blocks.readText(index), eio)
  refuses(t, 'EIO', () => blocks.readInto(target, index), eio)
  refuses(t, 'EIO', () => blocks.readMany(index, 1), eio)
  refuses(t, 'EIO', () => blocks.readMany(index - 2, 4, target), eio)
  t.is(blocks.readText(index - 1), 'neighbour')
  t.is(blocks.readText(index + 1), 'neighbour')
  const seen: string[] = []
  const iterate = () => {
    for (const block of blocks) seen.push(block.toString('latin1', 0, 9))
  }
  refuses(t, 'EIO', iterate, eio)
  t.is(seen.length, index)
  t.is(seen.at(-1), 'neighbour')
}

eachPair('a block in error is EIO until it is written or zeroed', async (t, made, opened) => {
  const { blocks, path } = newBlocks(t, made, 512)
  // Before the pool is laid out, after it, and on a block that has data.
  const marked = [3, 10, 4000]
  for (const index of marked) {
    if (index === 4000) blocks.write('data', index)
    t.is(blocks.setError(index), undefined)
    for (const near of [index - 1, index + 1]) blocks.write('neighbour', near)
  }
  refuses(t, 'EIO', () => blocks.read(10))
  isInError(t, blocks, path, 3)
  blocks.setError(3)
  blocks.close()
  t.true(pmemblk.check(path))
  using again = pmemblk.open(path, 0, { engine: opened })
  isInError(t, again, path, 3)
  again.write('cleared', 3)
  t.is(again.readText(3), 'cleared')
  isInError(t, again, path, 10)
  again.setZero(10)
  sameBytes(t, again.read(10), Buffer.alloc(512))
  isInError(t, again, path, 4000)
  await again.writeAsync('cleared', 4000)
  t.is(again.readText(4000), 'cleared')
  t.is([...again].length, again.nblock())
})

for (const bsize of [8, 512, 4096, 65_537]) {
  eachEngine(`an iteration gives all blocks of ${bsize} bytes in order`, (t, engine) => {
    const { blocks } = newBlocks(t, engine, bsize, Math.max(pmemblk.MIN_POOL, 530 * bsize + 2 * MiB), { sparse: true })
    const count = blocks.nblock()
    const indexes = [0, 1, 2047, 2048, 2049, count - 1].filter((index) => index < count)
    for (const index of indexes) blocks.write(String(index).slice(0, bsize), index)
    let next = 0
    const zeros = Buffer.alloc(bsize)
    for (const block of blocks) {
      if (!Buffer.isBuffer(block) || block.length !== bsize) t.fail(`block ${next}`)
      if (indexes.includes(next)) sameBytes(t, block, padded(String(next).slice(0, bsize), bsize))
      else if (!block.equals(zeros)) t.fail(`block ${next} is not zero`)
      next += 1
    }
    t.is(next, count)
  })
}

eachEngine('an iteration sees what is written behind its step, and ends when the array is closed', (t, engine) => {
  const { blocks } = newBlocks(t, engine, 4096)
  const each = blocks[Symbol.iterator]()
  t.is(each.next().value!.length, 4096)
  blocks.write('later', blocks.nblock() - 1)
  t.is([...blocks].at(-1)!.toString('utf8', 0, 5), 'later')
  blocks.close()
  const rest = () => {
    while (!each.next().done);
  }
  refuses(t, 'ERR_PMEM_CLOSED', rest)
})

eachEngine('asynchronous writes keep the order of calls, and reads see what was called before', async (t, engine) => {
  const { blocks } = newBlocks(t, engine, 64)
  const pending: Promise<void>[] = []
  for (let round = 0; round < (durableIsCheap ? 200 : 40); round += 1) {
    const index = round % 5
    pending.push(blocks.writeAsync(`async ${round}`, index))
    if (round % 3 === 0) blocks.write(`sync ${round}`, index)
    if (round % 7 === 0) pending.push(blocks.writeManyAsync(index, padded(`many ${round}`, 64)))
    if (round % 11 === 0) blocks.setZero(index)
    const last = [round % 11 === 0 && '', round % 7 === 0 && `many ${round}`, round % 3 === 0 && `sync ${round}`, `async ${round}`]
    t.is(blocks.readText(index), last.find((text) => text !== false)!)
  }
  t.deepEqual(new Set(await Promise.all(pending)), new Set([undefined]))
  pending.length = 0
  for (let round = 0; round < (durableIsCheap ? 300 : 50); round += 1) pending.push(blocks.writeAsync(String(round), 9))
  blocks.write('last', 9)
  await Promise.all(pending)
  t.is(blocks.readText(9), 'last')
  const failed = blocks.writeAsync('x', 9)
  blocks.setError(9)
  await failed
  refuses(t, 'EIO', () => blocks.read(9))
})

eachEngine('asynchronous writes copy their data at the call', async (t, engine) => {
  for (const bsize of [64, 100_000]) {
    const { blocks } = newBlocks(t, engine, bsize, Math.max(pmemblk.MIN_POOL, 530 * bsize + 2 * MiB))
    const [whole, short, rows] = [Buffer.alloc(bsize, 1), Buffer.alloc(10, 2), Buffer.alloc(2 * bsize, 3)]
    const pending = [blocks.writeAsync(whole, 0), blocks.writeAsync(short, 1), blocks.writeManyAsync(2, rows)]
    for (const data of [whole, short, rows]) data.fill(9)
    await Promise.all(pending)
    const expected = [Buffer.alloc(bsize, 1), padded(Buffer.alloc(10, 2), bsize), Buffer.alloc(2 * bsize, 3)]
    sameBytes(t, blocks.readMany(0, 4), Buffer.concat(expected))
  }
})

for (const bsize of [512, 4096, 100_000]) {
  eachEngine(`blocks of ${bsize} bytes beyond 4 GiB are right`, async (t, engine) => {
    const path = file(t)
    pmemblk.create(path, bsize, Math.max(pmemblk.MIN_POOL, 530 * bsize + 2 * MiB), { engine }).close()
    growPool(path, 5 * GiB)
    using blocks = pmemblk.open(path, bsize, { engine })
    t.is(blocks.nblock(), Math.floor((5 * GiB - 8192 - 8192 - 16 * KiB - 4096) / (Math.ceil(bsize / 256) * 256 + 4)) - 256)
    const places = [2 ** 31, 2 ** 32].flatMap((place) => [-1, 0, 1].map((near) => Math.floor(place / bsize) + near))
    const indexes = [0, ...places, blocks.nblock() - 1]
    for (const [seed, index] of indexes.entries()) {
      if (seed % 2) blocks.write(pattern(bsize, seed + 1), index)
      else await blocks.writeAsync(pattern(bsize, seed + 1), BigInt(index))
    }
    blocks.writeMany(places[0]! + 10, pattern(2 * bsize, 100))
    blocks.setError(places[5]! + 1)
    const areThere = (blocks: pmemblk.BlockArray) => {
      for (const [seed, index] of indexes.entries()) {
        sameBytes(t, blocks.read(index), pattern(bsize, seed + 1))
        sameBytes(t, blocks.readMany(BigInt(index), 1n), pattern(bsize, seed + 1))
      }
      sameBytes(t, blocks.readMany(places[0]! + 10, 2), pattern(2 * bsize, 100))
      sameBytes(t, blocks.read(blocks.nblock() - 2), Buffer.alloc(bsize))
      refuses(t, 'EIO', () => blocks.read(places[5]! + 1))
      refuses(t, 'ERR_OUT_OF_RANGE', () => blocks.read(blocks.nblock()))
    }
    areThere(blocks)
    blocks.close()
    t.true(pmemblk.check(path))
    using again = pmemblk.open(path, 0, { engine })
    areThere(again)
  })
}

eachPair('an array of two arenas, more than 512 GiB, is one array', (t, made, opened) => {
  const path = file(t)
  const bsize = MiB
  pmemblk.create(path, bsize, 540 * MiB, { engine: made, sparse: true }).close()
  const size = 560 * GiB
  growPool(path, size)
  using blocks = pmemblk.open(path, bsize, { engine: made })
  t.is(blocks.nblock(), blocksIn(size, bsize))
  const boundary = blocksIn(512 * GiB + 8192, bsize)
  t.true(boundary < blocks.nblock())
  const indexes = [0, boundary - 1, boundary, boundary + 1, blocks.nblock() - 1]
  for (const [seed, index] of indexes.entries()) blocks.write(pattern(bsize, seed + 1), index)
  blocks.writeMany(boundary - 3, pattern(2 * bsize, 10))
  blocks.setError(boundary + 2)
  blocks.close()
  t.true(pmemblk.check(path))
  using again = pmemblk.open(path, 0, { engine: opened })
  for (const [seed, index] of indexes.entries()) sameBytes(t, again.read(index), pattern(bsize, seed + 1))
  sameBytes(t, again.readMany(boundary - 3, 2), pattern(2 * bsize, 10))
  sameBytes(t, again.readMany(boundary - 1, 2), Buffer.concat([pattern(bsize, 2), pattern(bsize, 3)]))
  refuses(t, 'EIO', () => again.read(boundary + 2))
  sameBytes(t, again.read(boundary + 3), Buffer.alloc(bsize))
})

/** Numbers that look random and are the same in every run. */
function dice(seed: number): (sides: number) => number {
  let state = seed
  return (sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * sides)
  }
}

for (const seed of [1, 2, 3]) {
  eachPair(`random operations give what an array in memory gives (${seed})`, async (t, made, opened) => {
    const bsize = [40, 512, 5000][seed - 1]!
    const pool = newBlocks(t, made, bsize)
    const { path } = pool
    let { blocks } = pool
    const roll = dice(seed)
    // Few enough indexes that they are written again and again, and the last ones.
    const indexes = [...Array(40).keys(), blocks.nblock() - 2, blocks.nblock() - 1]
    const model = new Map<number, Buffer | 'error'>(indexes.map((index) => [index, Buffer.alloc(bsize)]))
    const any = () => indexes[roll(indexes.length)]!
    const data = () => pattern(roll(4) ? bsize : roll(bsize + 1), roll(2 ** 30))
    const steps: (() => unknown)[] = [
      () => {
        const [index, bytes] = [any(), data()]
        blocks.write(bytes, index)
        model.set(index, padded(bytes, bsize))
      },
      () => {
        const [index, bytes] = [any(), data()]
        model.set(index, padded(bytes, bsize))
        return blocks.writeAsync(bytes, index)
      },
      () => {
        const [first, count] = [roll(30), 1 + roll(10)]
        const rows = pattern(count * bsize, roll(2 ** 30))
        blocks.writeMany(first, rows)
        for (let row = 0; row < count; row += 1) model.set(first + row, rows.subarray(row * bsize, (row + 1) * bsize))
      },
      () => {
        const index = any()
        blocks.setZero(index)
        model.set(index, Buffer.alloc(bsize))
      },
      () => {
        const index = any()
        blocks.setError(index)
        model.set(index, 'error')
      },
    ]
    const compare = () => {
      for (const [index, expected] of model) {
        if (expected === 'error') refuses(t, 'EIO', () => blocks.read(index))
        else sameBytes(t, blocks.read(index), expected, `block ${index}`)
      }
    }
    for (let round = 0; round < (durableIsCheap ? 10 : 4); round += 1) {
      const pending = Array.from({ length: durableIsCheap ? 60 : 15 }, () => steps[roll(steps.length)]!())
      compare()
      await Promise.all(pending)
      blocks.close()
      t.true(pmemblk.check(path))
      blocks = pmemblk.open(path, bsize, { engine: round % 2 ? made : opened })
      t.teardown(() => blocks.close())
      compare()
    }
  })
}

eachEngine('an array and a log are open side by side', (t, engine) => {
  const { blocks } = newBlocks(t, engine)
  const { log } = newLog(t, engine)
  for (let index = 0; index < 100; index += 1) {
    blocks.write(`block ${index}`, index)
    log.append(`record ${index};`)
  }
  for (let index = 0; index < 100; index += 1) t.is(blocks.readText(index), `block ${index}`)
  t.is(log.read(0, log.tell()).toString().split(';').length, 101)
  t.true(log instanceof pmemlog.Log)
  t.true(blocks instanceof pmemblk.BlockArray)
})

for (const bsize of [512, 40_000, 100_000]) {
  eachEngine(`whoever transfers a block of ${bsize} bytes that was read empties nothing else`, (t, engine) => {
    const { blocks } = newBlocks(t, engine, bsize, 80 * MiB)
    const written = [0, 1, 2, 3].map((index) => pattern(bsize, index + 1))
    for (const [index, data] of written.entries()) blocks.write(data, index)
    const iterated: Buffer[] = []
    for (const block of blocks) if (iterated.push(block) === 4) break
    for (const read of [iterated, written.map((_, index) => blocks.read(index))]) {
      t.true(read.every((block) => Object.getPrototypeOf(block) === Buffer.prototype))
      try {
        structuredClone(read[1], { transfer: [read[1]!.buffer as ArrayBuffer] })
      } catch (error) {
        t.is((error as Error).name, 'DataCloneError')
      }
      for (const index of [0, 2, 3]) sameBytes(t, read[index]!, written[index]!)
    }
    sameBytes(t, blocks.read(1), written[1]!)
  })
}

eachEngine('an iteration ends for good where it ends or fails', (t, engine) => {
  const { blocks } = newBlocks(t, engine)
  blocks.setError(1)
  const failing = blocks[Symbol.iterator]()
  t.is(failing.next().value?.length, blocks.bsize())
  refuses(t, 'EIO', () => failing.next())
  t.true(failing.next().done)
  const ended = blocks[Symbol.iterator]()
  ended.next()
  t.deepEqual(ended.return(), { value: undefined, done: true })
  t.true(ended.next().done)
  const unstarted = blocks[Symbol.iterator]()
  blocks.close()
  refuses(t, 'ERR_PMEM_CLOSED', () => unstarted.next())
  t.true(unstarted.next().done)
})
