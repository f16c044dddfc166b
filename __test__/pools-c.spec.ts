import { statSync } from 'node:fs'
import { join } from 'node:path'
import { pmemblk, pmemlog } from 'pmem'
import { MiB, contents, durableIsCheap, file, folder, newBlocks, newLog, pattern, refuses, sameBytes } from './helpers/pools.js'
import { eachEngineWithC, holdInC, inC, isConsistent } from './helpers/pools-c.js'

const hex = (bytes: Uint8Array | string): string => Buffer.from(bytes as string).toString('hex')

/** How often a pool changes hands. */
const TURNS = durableIsCheap ? 12 : 5

const BINARY = Buffer.from(Array.from({ length: 256 }, (_, index) => index))

eachEngineWithC('a log made in C is read and appended to here', (t, engine) => {
  const path = file(t)
  const script = [`append ${hex(BINARY)}`, `appendv ${hex('one')} ${hex('\0')} ${hex('two')}`, 'tell', 'nbyte']
  t.deepEqual(inC('log', ['create', path, 2 * MiB], script), ['ok', 'ok', 'ok', '263', '2088960'])
  t.true(pmemlog.check(path))
  using log = pmemlog.open(path, { engine })
  t.is(log.nbyte(), 2_088_960)
  const start = Buffer.concat([BINARY, Buffer.from('one\0two')])
  sameBytes(t, contents(log), start)
  log.append(BINARY)
  log.appendMany(['a', 'b'])
  log.close()
  t.deepEqual(inC('log', ['open', path], ['walk 0']), ['ok', `${hex(start)}${hex(BINARY)}6162`, 'end'])
  t.deepEqual(inC('log', ['check', path]), ['1'])
  isConsistent(t, path)
})

eachEngineWithC('a log made here is read and appended to in C', (t, engine) => {
  const { log, path } = newLog(t, engine)
  log.append(BINARY)
  log.close()
  isConsistent(t, path)
  t.deepEqual(inC('log', ['check', path]), ['1'])
  const lines = BINARY.toString('hex').match(/.{1,14}/g)!
  t.deepEqual(inC('log', ['open', path], ['tell', 'nbyte', 'walk 7', 'append 00ff']), ['ok', '256', '2088960', ...lines, 'end', 'ok'])
  using again = pmemlog.open(path, { engine })
  sameBytes(t, contents(again), Buffer.concat([BINARY, Buffer.from([0, 255])]))
  again.rewind()
  again.close()
  t.deepEqual(inC('log', ['open', path], ['walk 0', 'walk 1', 'rewind', 'append 01']), ['ok', '', 'end', 'end', 'ok', 'ok'])
  isConsistent(t, path)
})

eachEngineWithC('a log of any size holds as much in C as here', (t, engine) => {
  const where = folder(t)
  for (const more of [0, 1, 4095, 4096, 4097, 902_849]) {
    const size = pmemlog.MIN_POOL + more
    const [ours, theirs] = [join(where, `ours ${more}`), join(where, `theirs ${more}`)]
    using log = pmemlog.create(ours, size, { engine })
    const nbyte = log.nbyte()
    log.append(pattern(nbyte - 1))
    log.close()
    isConsistent(t, ours)
    t.deepEqual(inC('log', ['open', ours], ['nbyte', 'append 0102', 'append 01', 'append 01', 'tell']), [
      'ok',
      String(nbyte),
      'error ENOSPC',
      'ok',
      'error ENOSPC',
      String(nbyte),
    ])
    using again = pmemlog.open(ours, { engine })
    sameBytes(t, contents(again), Buffer.concat([pattern(nbyte - 1), Buffer.of(1)]))
    t.deepEqual(inC('log', ['create', theirs, size], ['nbyte']), ['ok', String(nbyte)])
    t.is(statSync(theirs).size, size)
    using other = pmemlog.open(theirs, { engine })
    t.is(other.nbyte(), nbyte)
    other.append(pattern(nbyte))
    refuses(t, 'ENOSPC', () => other.append('x'))
    other.close()
    isConsistent(t, theirs)
  }
})

eachEngineWithC('a log goes back and forth between C and here', (t, engine) => {
  const path = file(t)
  inC('log', ['create', path, 3 * MiB])
  let expected = Buffer.alloc(0)
  for (let turn = 0; turn < TURNS; turn += 1) {
    const [a, b, c] = [pattern(turn * 999, turn + 1), pattern(turn * 7 + 1, turn + 2), pattern(70_000, turn + 3)]
    if (turn % 5 === 4) expected = Buffer.alloc(0)
    expected = Buffer.concat([expected, a, b, c])
    if (turn % 2) {
      const rewind = turn % 5 === 4 ? ['rewind'] : []
      inC('log', ['open', path], [...rewind, `append ${hex(a)}`, `appendv ${hex(b)} ${hex(c)}`])
    } else {
      using log = pmemlog.open(path, { engine })
      if (turn % 5 === 4) log.rewind()
      log.append(a)
      log.appendv([b, c])
    }
    t.deepEqual(inC('log', ['open', path], ['walk 0']), ['ok', hex(expected), 'end'])
    using log = pmemlog.open(path, { engine })
    sameBytes(t, contents(log), expected)
    log.close()
    isConsistent(t, path)
  }
})

eachEngineWithC('a pool that is open in C is EAGAIN here, and the other way around', async (t, engine) => {
  const { log, path } = newLog(t, engine)
  const { blocks, path: array } = newBlocks(t, engine)
  t.deepEqual(inC('log', ['open', path]), ['error EAGAIN'])
  t.deepEqual(inC('blk', ['open', array, 0]), ['error EAGAIN'])
  log.close()
  blocks.close()
  const closeLog = await holdInC(t, 'log', ['open', path])
  refuses(t, 'EAGAIN', () => pmemlog.open(path, { engine }), { path, message: /another process/ })
  refuses(t, 'EAGAIN', () => pmemlog.check(path))
  await closeLog()
  t.true(pmemlog.check(path))
  const closeArray = await holdInC(t, 'blk', ['open', array, 0])
  refuses(t, 'EAGAIN', () => pmemblk.open(array, 0, { engine }), { path: array, message: /another process/ })
  refuses(t, 'EAGAIN', () => pmemblk.check(array))
  await closeArray()
  t.true(pmemblk.check(array))
})

for (const bsize of durableIsCheap ? [1, 8, 512, 1000, 4096, 100_000] : [8, 1000, 100_000]) {
  const size = Math.max(pmemblk.MIN_POOL, 530 * bsize + 2 * MiB)
  const zeros = '00'.repeat(bsize)

  eachEngineWithC(`blocks of ${bsize} bytes made in C are read and written here`, (t, engine) => {
    const path = file(t)
    const [first, last] = [pattern(bsize, 1), pattern(bsize, 2)]
    const [, nblock] = inC('blk', ['create', path, size, bsize], ['nblock'])
    const end = Number(nblock) - 1
    // Not laid out yet: opening it changes nothing.
    {
      using blocks = pmemblk.open(path, bsize, { engine })
      t.is(blocks.nblock(), end + 1)
      sameBytes(t, blocks.readMany(0, 10), Buffer.alloc(10 * bsize))
    }
    const script = [`write 0 ${hex(first)}`, `write ${end} ${hex(last)}`, 'write 5 01', 'zero 5', 'error 6', 'write 7 01', 'error 7', 'write 7 02']
    t.true(inC('blk', ['open', path, bsize], script).every((line) => line === 'ok'))
    t.true(pmemblk.check(path))
    using blocks = pmemblk.open(path, 0, { engine })
    t.is(blocks.bsize(), bsize)
    sameBytes(t, blocks.read(0), first)
    sameBytes(t, blocks.read(end), last)
    sameBytes(t, blocks.read(5), Buffer.alloc(bsize))
    refuses(t, 'EIO', () => blocks.read(6))
    sameBytes(t, blocks.read(7), Buffer.concat([Buffer.of(2)], bsize))
    sameBytes(t, blocks.read(8), Buffer.alloc(bsize))
    blocks.write(last, 6)
    blocks.setZero(0)
    blocks.setError(end)
    blocks.close()
    t.deepEqual(inC('blk', ['open', path, 0], ['read 6', 'read 0', `read ${end}`]), ['ok', hex(last), zeros, 'error EIO'])
    t.deepEqual(inC('blk', ['check', path, bsize]), ['1'])
    isConsistent(t, path)
  })

  eachEngineWithC(`blocks of ${bsize} bytes made here are read and written in C`, (t, engine) => {
    const { blocks, path } = newBlocks(t, engine, bsize, size)
    const end = blocks.nblock() - 1
    const [first, last] = [pattern(bsize, 1), pattern(bsize, 2)]
    blocks.close()
    isConsistent(t, path)
    t.deepEqual(inC('blk', ['open', path, bsize], ['bsize', 'nblock', 'read 0']), ['ok', String(bsize), String(end + 1), zeros])
    using again = pmemblk.open(path, 0, { engine })
    again.write(first, 0)
    again.write(last, end)
    again.write('x', 5)
    again.setZero(5)
    again.setError(6)
    again.setError(7)
    again.write('\x02', 7)
    again.close()
    isConsistent(t, path)
    const script = ['read 0', `read ${end}`, 'read 5', 'read 6', 'read 7', 'read 8', `write 6 ${hex(last)}`, 'zero 0', `error ${end}`]
    t.deepEqual(inC('blk', ['open', path, bsize], script), [
      'ok',
      hex(first),
      hex(last),
      zeros,
      'error EIO',
      `02${zeros.slice(2)}`,
      zeros,
      'ok',
      'ok',
      'ok',
    ])
    t.deepEqual(inC('blk', ['check', path, bsize]), ['1'])
    using last2 = pmemblk.open(path, bsize, { engine })
    sameBytes(t, last2.read(6), last)
    sameBytes(t, last2.read(0), Buffer.alloc(bsize))
    refuses(t, 'EIO', () => last2.read(end))
  })
}

eachEngineWithC('a pool has as many blocks in C as here', (t, engine) => {
  const where = folder(t)
  const pools: [number, number][] = [
    [512, 32 * MiB],
    [256, pmemblk.MIN_POOL + 1],
    [513, pmemblk.MIN_POOL + 4095],
    [768, pmemblk.MIN_POOL + 4096],
    [4096, pmemblk.MIN_POOL + 1_234_567],
    [65_536, 64 * MiB],
  ]
  for (const [index, [bsize, size]] of pools.entries()) {
    const [ours, theirs] = [join(where, `ours ${index}`), join(where, `theirs ${index}`)]
    using blocks = pmemblk.create(ours, bsize, size, { engine })
    const nblock = blocks.nblock()
    blocks.write('x', nblock - 1)
    blocks.close()
    const [, created] = inC('blk', ['create', theirs, size, bsize], ['nblock', `write ${nblock - 1} 01`])
    t.is(created, String(nblock), `${bsize} in ${size}`)
    t.is(inC('blk', ['open', ours, bsize], ['nblock'])[1], String(nblock))
    using other = pmemblk.open(theirs, bsize, { engine })
    t.is(other.nblock(), nblock)
    t.is(other.readText(nblock - 1), '\x01')
    other.close()
    isConsistent(t, ours)
    isConsistent(t, theirs)
  }
})

eachEngineWithC('blocks go back and forth between C and here', (t, engine) => {
  const path = file(t)
  const bsize = 600
  inC('blk', ['create', path, pmemblk.MIN_POOL, bsize])
  const expected: string[] = Array.from({ length: 50 }, () => '00'.repeat(bsize))
  for (let turn = 0; turn < TURNS; turn += 1) {
    const changed = Array.from({ length: 20 }, (_, step) => (turn * 31 + step * 7) % 50)
    const script: string[] = []
    const steps: ((blocks: pmemblk.BlockArray) => void)[] = []
    for (const [step, index] of changed.entries()) {
      const data = pattern(bsize, turn * 100 + step + 1)
      if (step % 5 === 3) {
        script.push(`zero ${index}`)
        steps.push((blocks) => blocks.setZero(index))
        expected[index] = '00'.repeat(bsize)
      } else if (step % 5 === 4) {
        script.push(`error ${index}`)
        steps.push((blocks) => blocks.setError(index))
        expected[index] = 'error EIO'
      } else {
        script.push(`write ${index} ${hex(data)}`)
        steps.push((blocks) => blocks.write(data, index))
        expected[index] = hex(data)
      }
    }
    if (turn % 2) {
      t.true(inC('blk', ['open', path, bsize], script).every((line) => line === 'ok'))
    } else {
      using blocks = pmemblk.open(path, bsize, { engine })
      for (const step of steps) step(blocks)
    }
    const [opened, ...read] = inC('blk', ['open', path, bsize], expected.map((_, index) => `read ${index}`))
    t.is(opened, 'ok')
    t.deepEqual(read, expected)
    using blocks = pmemblk.open(path, bsize, { engine })
    for (const [index, data] of expected.entries()) {
      if (data === 'error EIO') refuses(t, 'EIO', () => blocks.read(index))
      else t.is(hex(blocks.read(index)), data)
    }
    blocks.close()
    isConsistent(t, path)
  }
})
