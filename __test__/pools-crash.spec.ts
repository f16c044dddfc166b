import { once } from 'node:events'
import type { ExecutionContext } from 'ava'
import { pmemblk, pmemlog } from 'pmem'
import { MiB, contents, durableIsCheap, eachEngine, eachPair, file, isError, sameBytes } from './helpers/pools.js'
import { type It, startProcess } from './helpers/pools-peers.js'

/** How many steps are acknowledged before a process is killed: at its start, and in full flight. */
const KILLS = [1, durableIsCheap ? 3000 : 100]

/**
 * Runs a function in a process that acknowledges its steps on descriptor 3, four bytes each, and kills the process after
 * `count` of them. Gives all that were acknowledged.
 */
async function killed<A extends unknown[]>(t: ExecutionContext, count: number, work: (it: It, ...args: A) => unknown, ...args: A) {
  const process = startProcess(t)
  const run = process.run(work, ...args).then(
    () => t.fail('the process came to an end'),
    (error: unknown) => isError(t, error, 'ENDED', { message: /ended with SIGKILL/ }),
  )
  const chunks: Buffer[] = []
  let length = 0
  process.pipe.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    length += chunk.length
    if (length >= 4 * count) void process.kill()
  })
  await once(process.pipe, 'close')
  await run
  const bytes = Buffer.concat(chunks)
  t.true(bytes.length >= 4 * count)
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, index) => bytes.readUInt32LE(4 * index))
}

/** A record's bytes, of a length of its own. */
function record(number: number): Buffer {
  return Buffer.from(`${number}:${'r'.repeat((number * 13) % 300)}\n`)
}

/** The numbers of the records in a log, which are whole and without a gap. */
function recordsOf(t: ExecutionContext, log: pmemlog.Log, first = 0): number {
  const bytes = contents(log)
  let [offset, number] = [0, first]
  for (; offset < bytes.length; number += 1) {
    const expected = record(number)
    if (!bytes.subarray(offset, offset + expected.length).equals(expected)) {
      t.fail(`record ${number} is torn: ${bytes.subarray(offset, offset + expected.length).toString('latin1')}`)
      break
    }
    offset += expected.length
  }
  return number
}

for (const count of KILLS) {
  eachPair(`a process killed after ${count} appends: all that it acknowledged is there`, async (t, made, opened) => {
    const path = file(t)
    pmemlog.create(path, 64 * MiB, { engine: made, sparse: true }).close()
    const acknowledged = await killed(
      t,
      count,
      async ({ pmemlog, fs }, path, engine) => {
        const log = pmemlog.open(path, { engine })
        const record = (number: number) => Buffer.from(`${number}:${'r'.repeat((number * 13) % 300)}\n`)
        const acknowledge = (number: number) => fs.writeSync(3, new Uint8Array(Uint32Array.of(number).buffer))
        // Every way to append in turn, up to thirteen records at once, until killed.
        for (let next = 0; ; ) {
          log.append(record(next))
          acknowledge((next += 1))
          log.appendMany(Array.from({ length: 9 }, (_, index) => record(next + index)))
          acknowledge((next += 9))
          log.appendv([record(next), record(next + 1)])
          acknowledge((next += 2))
          const pending = [0, 1, 2].map((index) => log.appendAsync(record(next + index)))
          log.append(record(next + 3))
          acknowledge((next += 4))
          await Promise.all(pending)
        }
      },
      path,
      made,
    )
    t.true(pmemlog.check(path))
    using log = pmemlog.open(path, { engine: opened })
    const there = recordsOf(t, log)
    t.true(there >= acknowledged.at(-1)!, `${there} records for ${acknowledged.at(-1)} acknowledged`)
    t.true(there <= acknowledged.at(-1)! + 9)
    log.append(record(there))
    t.is(recordsOf(t, log), there + 1)
  })

  eachEngine(`a process killed after ${count} rewinds: its log is whole`, async (t, engine) => {
    const path = file(t)
    pmemlog.create(path, pmemlog.MIN_POOL, { engine }).close()
    const acknowledged = await killed(
      t,
      count,
      ({ pmemlog, fs }, path, engine) => {
        const log = pmemlog.open(path, { engine })
        const acknowledge = (number: number) => fs.writeSync(3, new Uint8Array(Uint32Array.of(number).buffer))
        for (let round = 0; ; round += 1) {
          log.append(Buffer.alloc(5000, round))
          log.append(Buffer.alloc(5000, round))
          log.rewind()
          acknowledge(round)
        }
      },
      path,
      engine,
    )
    t.true(pmemlog.check(path))
    using log = pmemlog.open(path, { engine })
    t.is(log.tell() % 5000, 0)
    const rounds = [acknowledged.at(-1)! + 1, acknowledged.at(-1)! + 2].map((round) => Buffer.alloc(log.tell(), round))
    t.true(rounds.some((round) => contents(log).equals(round)))
  })

  eachPair(`a process killed after ${count} changes of blocks: the last one is done or not`, async (t, made, opened) => {
    const path = file(t)
    pmemblk.create(path, 512, pmemblk.MIN_POOL, { engine: made }).close()
    const acknowledged = await killed(
      t,
      count,
      async ({ pmemblk, fs }, path, engine) => {
        const blocks = pmemblk.open(path, 0, { engine })
        const acknowledge = (number: number) => fs.writeSync(3, new Uint8Array(Uint32Array.of(number).buffer))
        for (let step = 1; ; step += 1) {
          const index = (step * 7) % 30
          if (step % 10 === 3) blocks.setZero(index)
          else if (step % 10 === 7) blocks.setError(index)
          else if (step % 10 === 9) await blocks.writeAsync(Buffer.alloc(512, step), index)
          else blocks.write(Buffer.alloc(512, step), index)
          acknowledge(step)
        }
      },
      path,
      made,
    )
    const last = acknowledged.at(-1)!
    t.deepEqual(acknowledged, Array.from({ length: last }, (_, index) => index + 1))
    t.true(pmemblk.check(path))
    using blocks = pmemblk.open(path, 0, { engine: opened })
    const after = (steps: number): (string | undefined)[] => {
      const expected: string[] = Array.from({ length: 30 }, () => Buffer.alloc(512).toString('hex'))
      for (let step = 1; step <= steps; step += 1) {
        const value = step % 10 === 3 ? 0 : step
        expected[(step * 7) % 30] = step % 10 === 7 ? 'EIO' : Buffer.alloc(512, value).toString('hex')
      }
      return expected
    }
    const found = Array.from({ length: 30 }, (_, index) => {
      try {
        return blocks.read(index).toString('hex')
      } catch (error) {
        return (error as NodeJS.ErrnoException).code
      }
    })
    const [before, done] = [after(last), after(last + 1)]
    const changed = ((last + 1) * 7) % 30
    t.deepEqual(found, found[changed] === before[changed] ? before : done)
    sameBytes(t, blocks.readMany(30, 1000), Buffer.alloc(512_000))
    for (let index = 0; index < 40; index += 1) blocks.write(Buffer.alloc(512, index), index)
    for (let index = 0; index < 40; index += 1) sameBytes(t, blocks.read(index), Buffer.alloc(512, index))
  })
}

for (const count of [durableIsCheap ? 5000 : 200]) {
  eachPair(`a process killed after ${count} writes of three threads: no block is torn or lost`, async (t, made, opened) => {
    const path = file(t)
    pmemblk.create(path, 512, pmemblk.MIN_POOL, { engine: made }).close()
    const write = ({ pmemblk, fs }: It, path: string, engine: 'pmdk' | 'rust', thread: number) => {
      const blocks = pmemblk.open(path, 0, { engine })
      const block = Buffer.alloc(512)
      for (let write = 1; ; write += 1) {
        new Uint32Array(block.buffer, block.byteOffset, 128).fill(write * 4 + thread)
        blocks.write(block, thread * 10 + (write % 10))
        fs.writeSync(3, new Uint8Array(Uint32Array.of(write * 4 + thread).buffer))
      }
    }
    const acknowledged = await killed(
      t,
      count,
      ({ program }, path, engine, source) => {
        const { Worker } = process.getBuiltinModule('node:worker_threads')
        for (const thread of [1, 2, 3]) new Worker(program).postMessage({ id: 1, source, args: [path, engine, thread] })
        return new Promise(() => {})
      },
      path,
      made,
      write.toString(),
    )
    t.true(pmemblk.check(path))
    using blocks = pmemblk.open(path, 0, { engine: opened })
    for (const thread of [1, 2, 3]) {
      const last = Math.max(0, ...acknowledged.filter((value) => value % 4 === thread).map((value) => value >> 2))
      for (let index = 0; index < 10; index += 1) {
        const block = blocks.read(thread * 10 + index)
        const value = block.readUInt32LE()
        const values = new Uint32Array(128).fill(value)
        sameBytes(t, block, new Uint8Array(values.buffer), `block ${thread * 10 + index}`)
        // The newest write of this block that was acknowledged, or the one after it that was not.
        const newest = last - ((last - index + 10) % 10)
        const possible = newest <= 0 ? [0] : [newest * 4 + thread]
        if ((last + 1) % 10 === index) possible.push((last + 1) * 4 + thread)
        t.true(possible.includes(value), `block ${thread * 10 + index} has ${value}, not ${possible}`)
      }
    }
  })
}
