import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import type { ExecutionContext } from 'ava'
import { pmemblk, pmemlog } from 'pmem'
import {
  type EngineName,
  KiB,
  type Kind,
  MiB,
  contents,
  durableIsCheap,
  eachEngine,
  eachKind,
  file,
  isError,
  kinds,
  pattern,
  peek,
  poke,
  refuses,
  sameBytes,
} from './helpers/pools.js'
import { type Flip, type Outcome, type Sound, isRefused, tryAll } from './helpers/pools-damage.js'
import { elsewhere } from './helpers/pools-peers.js'

/** A log that holds something. */
function soundLog(t: ExecutionContext, engine: EngineName, path = file(t)): Sound {
  using log = pmemlog.create(path, pmemlog.MIN_POOL, { engine })
  const contents = pattern(5000)
  log.append(contents)
  return { path, kind: 'log', contents, metadata: [[0, 16 * KiB]], data: [4112, 4120] }
}

const BLOCK = 4096
const START = 8192
const ARENA = pmemblk.MIN_POOL - START
const INFO_COPY = START + ARENA - 4096
const FLOG = INFO_COPY - 16 * KiB
/** How many blocks fit: see formats.md. */
const BLOCKS = Math.floor((ARENA - 8192 - 16 * KiB - 4096) / (BLOCK + 4)) - 256
const MAP = FLOG - Math.ceil((4 * BLOCKS) / 4096) * 4096

/** A block array with blocks in every state, some written again and again, by several threads. */
async function soundBlocks(t: ExecutionContext, engine: EngineName, path = file(t)): Promise<Sound> {
  using blocks = pmemblk.create(path, BLOCK, pmemblk.MIN_POOL, { engine })
  t.is(blocks.nblock(), BLOCKS)
  for (let round = 0; round < 5; round += 1) {
    for (let index = 0; index < 10; index += 1) blocks.write(pattern(BLOCK, round * 100 + index + 1), index)
    await Promise.all([7, 8, 9].map((index) => blocks.writeAsync(pattern(BLOCK, round + index), index)))
  }
  blocks.setZero(5)
  blocks.setError(6)
  blocks.setError(11)
  const contents = Array.from({ length: 14 }, (_, index) => (index === 6 || index === 11 ? null : blocks.read(index)))
  return {
    path,
    kind: 'blk',
    contents,
    metadata: [[0, START + 4096], [MAP, pmemblk.MIN_POOL]],
    map: [MAP, MAP + 4 * BLOCKS],
    data: [START + 4096, MAP],
    checked: [[START, START + 4096], [FLOG, INFO_COPY + 4096]],
  }
}

/** The bytes of a part of the file, or some where opening costs disk accesses: all bits of some, one of the others. */
function flips(start: number, end: number, step = 1): Flip[] {
  const found: Flip[] = []
  for (let offset = start; offset < end; offset += durableIsCheap ? step : 31 * step) {
    found.push([offset, offset % 3 ? 1 << (offset % 8) : 0xff])
  }
  return found
}

/** All bytes of the header and the descriptor, and some of the page that the descriptor does not use. */
function headerFlips(): Flip[] {
  return [...flips(0, 4200), ...flips(4200, 8192, 5)]
}

/** Places that look random and are the same in every run. */
function randomFlips(count: number, start: number, end: number): Flip[] {
  const dice = pattern(8 * count, end)
  return Array.from({ length: count }, (_, index) => {
    const offset = start + Math.floor((dice.readUInt32LE(8 * index) / 2 ** 32) * (end - start))
    return [offset, 1 << (dice[8 * index + 4]! % 8)]
  })
}

function isSound(t: ExecutionContext, { refused, accepted, problems }: Outcome, flips: readonly Flip[], least: number): void {
  t.deepEqual(problems, [])
  t.is(refused + accepted, flips.length)
  t.true(refused >= least, `only ${refused} of ${flips.length} were refused`)
}

eachEngine('a log with any byte of its first 8 KiB changed is refused, or right', async (t, engine) => {
  const sound = soundLog(t, engine)
  const all = headerFlips()
  isSound(t, await tryAll(t, engine, sound, all), all, all.length / 4)
})

eachEngine('a log with any byte changed is refused, or right but for that byte', async (t, engine) => {
  const sound = soundLog(t, engine)
  // Behind what it holds.
  const all = randomFlips(durableIsCheap ? 300 : 30, 8192 + 5000, pmemlog.MIN_POOL)
  isSound(t, await tryAll(t, engine, sound, all), all, 0)
})

eachEngine('an array with any byte of its first 8 KiB changed is refused, or right', async (t, engine) => {
  const sound = await soundBlocks(t, engine)
  const all = headerFlips()
  isSound(t, await tryAll(t, engine, sound, all), all, all.length / 4)
})

eachEngine('an array with any byte of an info block changed is refused, or right', async (t, engine) => {
  const sound = await soundBlocks(t, engine)
  const all = [...flips(START, START + 4096), ...flips(INFO_COPY, INFO_COPY + 4096)]
  isSound(t, await tryAll(t, engine, sound, all), all, 0)
})

eachEngine('an array with any byte of its flog changed is refused, or right', async (t, engine) => {
  const sound = await soundBlocks(t, engine)
  // The lanes that were used, and some bytes of the others.
  const all = [...flips(FLOG, FLOG + 1024), ...flips(FLOG + 1024, FLOG + 16 * KiB, 5)]
  isSound(t, await tryAll(t, engine, sound, all), all, all.length / 8)
})

eachEngine('an array with any byte of its map changed has at most one wrong block, and no crash', async (t, engine) => {
  const sound = await soundBlocks(t, engine)
  const all = [...flips(MAP, MAP + 4 * 14), ...randomFlips(durableIsCheap ? 500 : 50, MAP, FLOG)]
  isSound(t, await tryAll(t, engine, sound, all), all, 0)
})

eachEngine('an array with a byte changed anywhere is refused, or right but for that byte', async (t, engine) => {
  const sound = await soundBlocks(t, engine)
  const count = durableIsCheap ? 700 : 70
  const all = [
    ...randomFlips(count, 0, pmemblk.MIN_POOL),
    ...randomFlips(count, 0, START + 4096),
    ...randomFlips(count, MAP, pmemblk.MIN_POOL),
  ]
  isSound(t, await tryAll(t, engine, sound, all), all, count / 5)
})

async function soundPool(t: ExecutionContext, kind: Kind, engine: EngineName): Promise<string> {
  return (await (kind.name === 'log' ? soundLog(t, engine) : soundBlocks(t, engine))).path
}

eachKind('a refused pool is an error with a code and a path, that says what is wrong and where', async (t, kind, engine) => {
  const path = await soundPool(t, kind, engine)
  poke(path, 30, Buffer.of(peek(path, 30, 1)[0]! ^ 1))
  try {
    kind.open(path, { engine })
    t.fail()
  } catch (error) {
    isError(t, error, 'ERR_PMEM_CORRUPT', { path, message: /pool header checksum at byte 4088/ })
    t.true((error as Error).message.includes(`'${path}'`))
  }
})

eachKind('a truncated pool is refused at any size', async (t, kind, engine) => {
  const path = await soundPool(t, kind, engine)
  const last = kind.minPool
  const sizes = [last - 1, last - 4095, last - 4096, last - 4097, last - 8192, last >> 1, MiB, 100_000, 12_288, 8193, 8192]
  for (const size of [...sizes, 8191, 4120, 4097, 4096, 4095, 4088, 2048, 144, 100, 8, 7, 1, 0]) {
    truncateSync(path, size)
    await isRefused(t, engine, kind.name, path)
  }
})

eachKind('a pool that was truncated and made longer again is refused', async (t, kind, engine) => {
  const path = await soundPool(t, kind, engine)
  // A log that lost data has zeros there, which nobody can tell from data. An array can do without its info copy, and
  // one that has nothing but a header was never written.
  for (const size of kind.name === 'log' ? [4096, 100, 0] : [INFO_COPY - 4096, FLOG, MAP, START + 4096, 4096, 100, 0]) {
    truncateSync(path, size)
    truncateSync(path, kind.minPool)
    await isRefused(t, engine, kind.name, path, /./, `zeros from ${size} on`)
  }
})

eachKind('a pool that was made longer is refused, unless by less than a page', async (t, kind, engine) => {
  const path = await soundPool(t, kind, engine)
  for (const more of [MiB, 4097, 4096]) {
    truncateSync(path, kind.minPool + more)
    await isRefused(t, engine, kind.name, path)
  }
  for (const more of [4095, 1]) {
    truncateSync(path, kind.minPool + more)
    t.true(kind.check(path))
    kind.open(path, { engine }).close()
  }
})

eachKind('a file that is no such pool is refused', async (t, kind, engine) => {
  const path = file(t)
  const size = kind.minPool
  const text = Buffer.from('This is a letter, not a pool.\n'.repeat(size / 30 + 1)).subarray(0, size)
  const signature = kind.name === 'log' ? 'PMEMLOG\0' : 'PMEMBLK\0'
  const files = [Buffer.alloc(size), Buffer.alloc(size, 0xff), pattern(size), text, Buffer.from('PMEMPOOLSET\n2M part\n')]
  for (const start of [signature, signature.slice(0, 7)]) {
    const bytes = pattern(size)
    bytes.write(start, 'latin1')
    files.push(bytes, Buffer.concat([Buffer.from(start)], size))
  }
  for (const bytes of files) {
    writeFileSync(path, bytes)
    await isRefused(t, engine, kind.name, path)
  }
  for (const other of kinds.filter(({ name }) => name !== kind.name)) {
    using pool = other.create(`${path} of the other kind`, pmemblk.MIN_POOL, { engine })
    pool.mark()
    pool.close()
    await isRefused(t, engine, kind.name, `${path} of the other kind`, /signature at byte 0/)
    using again = other.open(`${path} of the other kind`, { engine })
    t.is(again.marks(), 1)
  }
})

/** The checksum of a pool's header or BTT info block (Fletcher-64 of 32-bit words), of which `end` bytes count. */
function checksum(bytes: Buffer, at: number, end: number): bigint {
  let [low, high] = [0, 0]
  for (let offset = 0; offset < bytes.length; offset += 4) {
    const counts = offset < end && !(offset >= at && offset < at + 8)
    low = (low + (counts ? bytes.readUInt32LE(offset) : 0)) >>> 0
    high = (high + low) >>> 0
  }
  return (BigInt(high) << 32n) | BigInt(low)
}

/** Changes a page of a file that ends with a checksum, which is made to fit. */
function forge(path: string, start: number, end: number, change: (bytes: Buffer) => void): void {
  const bytes = peek(path, start, 4096)
  // Otherwise this file has misunderstood the format.
  if (bytes.readBigUInt64LE(4088) !== checksum(bytes, 4088, end)) throw new Error(`the checksum of the page at ${start} is another`)
  change(bytes)
  bytes.writeBigUInt64LE(checksum(bytes, 4088, end), 4088)
  poke(path, start, bytes)
}

/** Fields of the header that no pool of this package has, under a checksum that is right. */
const FORGED: Record<string, (header: Buffer) => void> = {
  'major version': (header) => header.writeUInt32LE(2, 8),
  'incompat features': (header) => header.writeUInt32LE(header.readUInt32LE(16) | 8, 16),
  'incompat features of several files': (header) => header.writeUInt32LE(header.readUInt32LE(16) | 1, 16),
  'ro_compat features': (header) => header.writeUInt32LE(1, 20),
  'previous part uuid': (header) => header.write('another uuid', 56),
  'next part uuid': (header) => header.write('another uuid', 72),
  'previous replica uuid': (header) => header.write('another uuid', 88),
  'next replica uuid': (header) => header.write('another uuid', 104),
  'architecture alignment': (header) => header.writeUInt32LE(1, 128),
  'architecture class': (header) => header.writeUInt8(1, 136),
  'architecture byte order': (header) => header.writeUInt8(2, 137),
  'architecture machine': (header) => header.writeUInt16LE(8, 142),
}

for (const [field, change] of Object.entries(FORGED)) {
  eachKind(`a pool with another ${field} is refused`, async (t, kind, engine) => {
    const path = await soundPool(t, kind, engine)
    forge(path, 0, 2048, change)
    await isRefused(t, engine, kind.name, path, new RegExp(field.replace(' of several files', '')))
  })
}

eachKind('a pool as a build without libndctl makes it is opened', async (t, kind, engine) => {
  const path = await soundPool(t, kind, engine)
  const changes: ((header: Buffer) => void)[] = [
    (header) => {
      header.writeUInt32LE(0, 12)
      header.writeUInt32LE(2, 16)
      header.fill(0, 4024, 4088)
    },
    (header) => header.writeUInt32LE(1, 12),
  ]
  for (const change of changes) {
    forge(path, 0, 2048, change)
    t.true(kind.check(path))
    using pool = kind.open(path, { engine })
    const before = pool.marks()
    pool.mark()
    t.not(pool.marks(), before)
  }
})

eachKind('a pool of an Arm processor is opened, or refused, never changed', async (t, kind, engine) => {
  if (process.arch !== 'x64') {
    t.pass()
    return
  }
  const path = await soundPool(t, kind, engine)
  forge(path, 0, 2048, (header) => header.writeUInt16LE(183, 142))
  const before = readFileSync(path)
  t.true(kind.check(path))
  if (engine === 'rust') {
    using pool = kind.open(path, { engine })
    t.true(pool.marks() > 0)
    using automatic = kind.open(path)
    t.is(automatic.engine, 'rust')
    return
  }
  refuses(t, 'ERR_PMEM_UNSUPPORTED', () => kind.open(path, { engine }))
  sameBytes(t, readFileSync(path), before)
})

const u64 = (value: bigint | number): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

eachEngine('a log whose offsets do not fit is refused', async (t, engine) => {
  const { path } = soundLog(t, engine)
  const page = peek(path, 4096, 4096)
  const size = pmemlog.MIN_POOL
  const offsets: [string, number, (bigint | number)[]][] = [
    ['log start', 4096, [0, 4096, 8191, 8193, 12_288, 2n ** 63n, 2n ** 64n - 1n]],
    ['log end', 4104, [0, 8192, size - 4096, size - 1, size + 1, size + 4096, 2n ** 63n, 2n ** 64n - 1n]],
    ['log write offset', 4112, [0, 1, 4096, 8191, size + 1, size + 4096, 2n ** 32n + 8192n, 2n ** 63n, 2n ** 63n + 8192n, 2n ** 64n - 1n]],
  ]
  for (const [field, at, values] of offsets) {
    for (const value of values) {
      poke(path, at, u64(value))
      await isRefused(t, engine, 'log', path, new RegExp(`${field} at byte ${at}`))
      poke(path, 4096, page)
    }
  }
  // These fit, and mean what they say.
  for (const value of [8192, 8193, 8192 + 5000, size - 1, size]) {
    poke(path, 4112, u64(value))
    t.true(pmemlog.check(path))
    using log = pmemlog.open(path, { engine })
    t.is(log.tell(), value - 8192)
    sameBytes(t, contents(log), readFileSync(path).subarray(8192, value))
  }
})

/** Where the map has a block, and the flog a lane: the first entry of its two. */
const mapEntry = (block: number): number => MAP + 4 * block
const flogEntry = (lane: number): number => FLOG + 64 * lane

const u32 = (...values: number[]): Buffer => Buffer.from(Uint32Array.from(values).buffer)

eachEngine('an array whose descriptor does not fit is refused', async (t, engine) => {
  const { path } = await soundBlocks(t, engine)
  const page = peek(path, 4096, 4096)
  for (const bytes of [u32(0), u32(1), u32(512), u32(4095), u32(4097), u32(2 ** 31), u32(2 ** 32 - 1), u32(BLOCK, 2), u32(BLOCK, 2 ** 31)]) {
    poke(path, 4096, bytes)
    await isRefused(t, engine, 'blk', path)
    poke(path, 4096, page)
  }
  t.true(pmemblk.check(path))
})

eachEngine('an array with a wild entry in its flog is refused', async (t, engine) => {
  const { path } = await soundBlocks(t, engine)
  const flog = peek(path, FLOG, 16 * KiB)
  const slots = BLOCKS + 256
  const normal = 0xc0000000
  for (const lane of [0, 1, 100, 255]) {
    const entries = [
      u32(BLOCKS, normal + 1, normal + 2, 1, 0, 0, 0, 0),
      u32(2 ** 32 - 1, normal + 1, normal + 2, 1, 0, 0, 0, 0),
      u32(0, normal + slots, normal + 2, 1, 0, 0, 0, 0),
      u32(0, normal + 1, normal + slots, 1, 0, 0, 0, 0),
      u32(0, 0xffffffff, 0xffffffff, 1, 0, 0, 0, 0),
      u32(0, normal + 1, normal + 2, 0, 0, 0, 0, 0),
      u32(0, normal + 1, normal + 2, 4, 0, 0, 0, 0),
      u32(0, normal + 1, normal + 2, 2, 0, normal + 1, normal + 2, 2),
      Buffer.alloc(32),
      Buffer.alloc(32, 0xff),
      pattern(32),
    ]
    for (const entry of entries) {
      poke(path, flogEntry(lane), entry)
      await isRefused(t, engine, 'blk', path, /flog/)
      poke(path, FLOG, flog)
    }
  }
  t.true(pmemblk.check(path))
})

eachEngine('an array with a damaged info block is refused or right, with two it is refused', async (t, engine) => {
  const { path, contents } = await soundBlocks(t, engine)
  const info = peek(path, START, 4096)
  const infos = [Buffer.alloc(4096), Buffer.alloc(4096, 0xff), pattern(4096), Buffer.concat([info.subarray(0, 2048)], 4096)]
  for (const damaged of infos) {
    for (const place of [START, INFO_COPY]) {
      poke(path, place, damaged)
      const before = readFileSync(path)
      const outcome = await elsewhere(
        ({ pmemblk }, path, engine) => {
          const checked = pmemblk.check(path)
          try {
            const blocks = pmemblk.open(path, 0, { engine })
            const read = blocks.readMany(0, 5)
            blocks.close()
            return { checked, read }
          } catch (error) {
            return { checked, code: (error as NodeJS.ErrnoException).code }
          }
        },
        path,
        engine,
      )
      if (outcome.read) sameBytes(t, outcome.read, Buffer.concat(contents.slice(0, 5) as Buffer[]))
      else t.is(outcome.code, 'ERR_PMEM_CORRUPT')
      // An interrupted first write may not have got to the info copy, or not through it.
      const unfinished = place === INFO_COPY && (damaged === infos[0] || damaged === infos[3])
      if (!unfinished) t.false(outcome.checked)
      // libpmemblk notes in the header and behind the descriptor that the pool is open.
      sameBytes(t, readFileSync(path).subarray(START), before.subarray(START))
      if (!outcome.read) sameBytes(t, readFileSync(path), before)
      poke(path, place, info)
    }
    poke(path, START, damaged)
    poke(path, INFO_COPY, damaged)
    // With zeros in both, and a flog that was used.
    await isRefused(t, engine, 'blk', path, /BTT/)
    poke(path, START, info)
    poke(path, INFO_COPY, info)
  }
  t.true(pmemblk.check(path))
})

eachEngine('an array with forged info blocks is refused', async (t, engine) => {
  const { path } = await soundBlocks(t, engine)
  const info = peek(path, START, 4096)
  const changes: Record<string, (info: Buffer) => void> = {
    'an arena in error': (info) => info.writeUInt32LE(1, 48),
    'major version': (info) => info.writeUInt16LE(2, 52),
    'external block size': (info) => info.writeUInt32LE(512, 56),
    'external blocks': (info) => info.writeUInt32LE(BLOCKS + 1, 60),
    'internal block size': (info) => info.writeUInt32LE(512, 64),
    'internal blocks': (info) => info.writeUInt32LE(BLOCKS, 68),
    lanes: (info) => info.writeUInt32LE(255, 72),
    'info size': (info) => info.writeUInt32LE(8192, 76),
    'next arena': (info) => info.writeBigUInt64LE(4096n, 80),
    'data offset': (info) => info.writeBigUInt64LE(0n, 88),
    'map offset': (info) => info.writeBigUInt64LE(2n ** 62n, 96),
    'flog offset': (info) => info.writeBigUInt64LE(4096n, 104),
    'info copy offset': (info) => info.writeBigUInt64LE(0n, 112),
  }
  // A file that was not zeros when the pool was made in it may have held another pool, until the first write.
  if (peek(path, 4100, 1)[0] === 1) changes['parent uuid'] = (info) => info.write('another uuid', 32)
  for (const [what, change] of Object.entries(changes)) {
    for (const place of [START, INFO_COPY]) forge(path, place, 4096, change)
    await isRefused(t, engine, 'blk', path, /BTT/, what)
    for (const place of [START, INFO_COPY]) poke(path, place, info)
  }
  t.true(pmemblk.check(path))
})

eachEngine('a block with a wild entry in the map is refused when it is used, and no other block suffers', async (t, engine) => {
  const slots = BLOCKS + 256
  for (const wild of [slots, slots + 1, slots + 8, 0x3fffffff]) {
    const { path, contents } = await soundBlocks(t, engine)
    poke(path, mapEntry(3), u32(0xc0000000 + wild))
    t.false(pmemblk.check(path))
    const found = await elsewhere(
      ({ pmemblk }, path, engine) => {
        const code = (work: () => unknown): unknown => {
          try {
            work()
            return 'done'
          } catch (error) {
            return (error as NodeJS.ErrnoException).code
          }
        }
        const blocks = pmemblk.open(path, 0, { engine })
        const codes = [() => blocks.read(3), () => blocks.write('x', 3), () => blocks.setZero(3), () => blocks.setError(3)].map(code)
        // Whatever came of that, further writes go where they should.
        for (let round = 0; round < 20; round += 1) blocks.write(Buffer.alloc(4096, round), 13)
        const others = Array.from({ length: 14 }, (_, index) => (index === 3 || index === 6 || index === 11 ? null : blocks.read(index)))
        const zeros = blocks.readMany(14, blocks.nblock() - 14).every((byte) => byte === 0)
        blocks.close()
        return { codes, others, zeros }
      },
      path,
      engine,
    )
    t.deepEqual(found.codes, Array.from({ length: 4 }, () => 'ERR_PMEM_CORRUPT'), `slot ${wild} of ${slots}`)
    t.true(found.zeros)
    for (const [index, block] of found.others.entries()) {
      if (block !== null) sameBytes(t, block, index === 13 ? Buffer.alloc(BLOCK, 19) : contents[index] as Buffer)
    }
  }
})

eachEngine('a log and an array that were left open are opened again as they were', async (t, engine) => {
  const sound = [soundLog(t, engine), await soundBlocks(t, engine)]
  for (const { path, kind, contents: expected } of sound) {
    const copy = `${path}.copy`
    if (kind === 'log') {
      using log = pmemlog.open(path, { engine })
      log.append('open')
      copyFileSync(path, copy)
    } else {
      using blocks = pmemblk.open(path, 0, { engine })
      blocks.write('open', 13)
      copyFileSync(path, copy)
    }
    if (kind === 'log') {
      t.true(pmemlog.check(copy))
      using log = pmemlog.open(copy, { engine })
      sameBytes(t, contents(log), Buffer.concat([expected as Buffer, Buffer.from('open')]))
    } else {
      t.true(pmemblk.check(copy))
      using blocks = pmemblk.open(copy, 0, { engine })
      t.is(blocks.readText(13), 'open')
      for (const index of [0, 1, 2, 3, 4, 5, 7, 8, 9, 10]) sameBytes(t, blocks.read(index), (expected as Buffer[])[index]!)
    }
  }
})
