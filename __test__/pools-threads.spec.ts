import { pmemblk, pmemlog } from 'pmem'
import { MiB, contents, durableIsCheap, eachEngine, newBlocks, newLog } from './helpers/pools.js'
import { startWorker } from './helpers/pools-peers.js'

/** Appends and writes of each worker: fewer where each costs disk accesses. */
const PART = durableIsCheap ? 1 : 100

/** What parties wait for each other with: the number of those that are there, and the number that are done. */
const newGate = () => new Int32Array(new SharedArrayBuffer(8))

/** A record of `worker`: its number, its length and a run of one byte, so that a torn one shows. */
const LINE = /^(\d) (\d+) (\d+) (x*)$/

eachEngine('two workers append 100,000 records to one log, each whole, once and in its order', async (t, engine) => {
  const { log, path } = newLog(t, engine, 32 * MiB)
  const gate = newGate()
  const rounds = 10_000 / PART
  const workers = [startWorker(t), startWorker(t)]
  const work = workers.map((worker, number) =>
    worker.run(
      async ({ pmemlog }, path, number, gate, rounds) => {
        const log = pmemlog.open(path)
        let next = 0
        const record = () => {
          const length = (next * 7) % 120
          return `${number} ${(next += 1) - 1} ${length} ${'x'.repeat(length)}\n`
        }
        Atomics.add(gate, 0, 1)
        Atomics.notify(gate, 0)
        while (Atomics.load(gate, 0) < 2) Atomics.wait(gate, 0, 1)
        for (let round = 0; round < rounds; round += 1) {
          log.append(record())
          const pending = round % 4 === 0 && log.appendAsync(record())
          if (!pending) log.append(Buffer.from(record()))
          log.appendv([record(), '', record()])
          log.appendMany([record()])
          await pending
        }
        log.close()
        Atomics.add(gate, 1, 1)
      },
      path,
      number,
      gate,
      rounds,
    ),
  )
  // What is read meanwhile is a whole number of records, too: no append shows in part.
  let reads = 0
  do {
    const seen = contents(log)
    t.true(seen.length === 0 || seen.at(-1) === 10)
    reads += 1
    await new Promise((resolve) => setTimeout(resolve, 20))
  } while (Atomics.load(gate, 1) < 2)
  await Promise.all(work)
  t.true(reads > 1)
  const next = [0, 0]
  const lines = contents(log).toString().split('\n')
  t.is(lines.pop(), '')
  for (const line of lines) {
    const [, worker, number, length, rest] = LINE.exec(line) ?? t.fail(line) ?? []
    if (Number(number) !== next[Number(worker)]!++ || Number(length) !== rest?.length) return t.fail(line)
  }
  t.deepEqual(next, [rounds * 5, rounds * 5])
  log.close()
  t.true(pmemlog.check(path))
})

eachEngine('two workers write the same blocks while a third reads: each block read is one write, whole', async (t, engine) => {
  const { blocks, path } = newBlocks(t, engine, 512)
  const gate = newGate()
  const count = 50_000 / PART
  const writers = [startWorker(t), startWorker(t)]
  const writing = writers.map((worker, number) =>
    worker.run(
      async ({ pmemblk }, path, number, gate, count) => {
        const blocks = pmemblk.open(path)
        const block = Buffer.alloc(512)
        Atomics.add(gate, 0, 1)
        Atomics.notify(gate, 0)
        while (Atomics.load(gate, 0) < 2) Atomics.wait(gate, 0, 1)
        for (let write = 1; write <= count; write += 1) {
          // Both write the same blocks, forty of them: they meet often.
          const values = new Uint32Array(block.buffer, block.byteOffset, 128)
          values.fill(write * 2 + number)
          if (write % 50 === 0) await blocks.writeAsync(block, write % 40)
          else blocks.write(block, write % 40)
        }
        blocks.close()
        Atomics.add(gate, 1, 1)
      },
      path,
      number,
      gate,
      count,
    ),
  )
  const reader = startWorker(t)
  const reading = reader.run(
    ({ pmemblk }, path, gate, count) => {
      const blocks = pmemblk.open(path)
      const target = Buffer.alloc(512 * 40)
      const values = new Uint32Array(target.buffer, target.byteOffset, 128 * 40)
      const last = new Map<string, number>()
      let reads = 0
      let done = false
      while (!done) {
        // The last round is all after the writers' end.
        done = Atomics.load(gate, 1) === 2
        blocks.readMany(0, 40, target)
        for (let index = 0; index < 40; index += 1) {
          const value = values[index * 128]!
          if (reads % 10 === 0) blocks.readInto(target.subarray(index * 512), index)
          for (let word = 1; word < 128; word += 1) {
            if (values[index * 128 + word] !== values[index * 128]) return `block ${index} is ${value} and ${values[index * 128 + word]}`
          }
          if (value && (value >> 1) % 40 !== index) return `block ${index} has the write of ${(value >> 1) % 40}`
          // A block may go back and forth between two writers, never back to an older write of one.
          const key = `${index} ${value & 1}`
          const newest = last.get(key) ?? 0
          if (value && value < newest) return `block ${index} went back from ${newest} to ${value}`
          if (value) last.set(key, value)
          reads += 1
        }
      }
      blocks.close()
      const latest = [...last.values()].filter((value) => value >> 1 > count - 40).length
      return latest >= 40 ? 'whole' : `only ${latest} of the last writes were seen`
    },
    path,
    gate,
    count,
  )
  await Promise.all(writing)
  t.is(await reading, 'whole')
  for (let index = 0; index < 40; index += 1) {
    const block = blocks.read(index)
    const writer = block.readUInt32LE() & 1
    const write = block.readUInt32LE() >>> 1
    t.is(write % 40, index)
    t.true(write > count - 40, `block ${index} has write ${write} of writer ${writer}`)
  }
  blocks.close()
  t.true(pmemblk.check(path))
})

eachEngine('a log is walked while a worker appends, and never shows half a record', async (t, engine) => {
  const { log, path } = newLog(t, engine, 16 * MiB)
  const gate = newGate()
  const records = 100_000 / PART
  const worker = startWorker(t)
  const appending = worker.run(
    ({ pmemlog }, path, gate, records) => {
      const log = pmemlog.open(path)
      const record = Buffer.alloc(64)
      for (let number = 0; number < records; number += 1) {
        new Uint32Array(record.buffer, record.byteOffset, 16).fill(number)
        log.append(record)
      }
      log.close()
      Atomics.store(gate, 1, 1)
    },
    path,
    gate,
    records,
  )
  let done = false
  while (!done) {
    done = Atomics.load(gate, 1) === 1
    let number = 0
    log.walk((record) => {
      const words = new Uint32Array(record.buffer.slice(record.byteOffset, record.byteOffset + record.length))
      if (words.length !== 16 || words.some((word) => word !== number)) throw new Error(`record ${number} is ${words}`)
      number += 1
    }, 64)
    if (done) t.is(number, records)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await appending
})

const WAYS: Record<string, (log: pmemlog.Log) => Promise<Buffer[]>> = {
  'a walk over everything': async (log) => walked(log, 0),
  'a walk by chunks': async (log) => walked(log, 1000),
  'an iteration': async (log) => [...log],
  'a stream': async (log) => {
    const chunks: Buffer[] = []
    for await (const chunk of log.createReadStream({ highWaterMark: 5000 })) chunks.push(chunk)
    return chunks
  },
}

function walked(log: pmemlog.Log, chunkSize: number): Buffer[] {
  const chunks: Buffer[] = []
  log.walk((chunk) => void chunks.push(chunk), chunkSize)
  return chunks
}

for (const [way, read] of Object.entries(WAYS)) {
  eachEngine(`while a worker rewinds a log again and again, ${way} gives what it held at one time`, async (t, engine) => {
    const { log, path } = newLog(t, engine)
    const gate = newGate()
    const rounds = 10_000 / PART
    const worker = startWorker(t)
    const rewinding = worker.run(
      ({ pmemlog }, path, gate, rounds) => {
        const log = pmemlog.open(path)
        for (let round = 0; round < rounds; round += 1) {
          log.append(Buffer.alloc([10, 5000, 300, 30_000][round % 4]!, 1 + (round % 255)))
          log.rewind()
        }
        log.append('\x01end')
        log.close()
        Atomics.store(gate, 1, 1)
      },
      path,
      gate,
      rounds,
    )
    let done = false
    while (!done) {
      done = Atomics.load(gate, 1) === 1
      const bytes = Buffer.concat(await read(log))
      if (bytes.length === 4) continue
      const other = bytes.findIndex((byte) => byte !== bytes[0] || byte === 0)
      if (other !== -1) t.fail(`byte ${other} of ${bytes.length} is ${bytes[other]}, the first is ${bytes[0]}`)
      // What waits for a turn of the loop has it.
      await new Promise((resolve) => setImmediate(resolve))
    }
    await rewinding
    t.is(contents(log).toString(), '\x01end')
  })
}

eachEngine('workers open and close one pool at once, and no write is lost', async (t, engine) => {
  const { log, path } = newLog(t, engine)
  const { blocks, path: array } = newBlocks(t, engine)
  log.close()
  blocks.close()
  const workers = [startWorker(t), startWorker(t), startWorker(t)]
  const rounds = 300
  const results = workers.map((worker, number) =>
    worker.run(
      ({ pmemlog, pmemblk }, path, array, number, rounds) => {
        for (let round = 0; round < rounds; round += 1) {
          const log = pmemlog.open(path)
          log.append('x')
          log.close()
          const blocks = pmemblk.open(array)
          blocks.write(Buffer.of(number, round & 255), number)
          if (blocks.read(number)[1] !== (round & 255)) throw new Error(`round ${round} is lost`)
          blocks.close()
        }
      },
      path,
      array,
      number,
      rounds,
    ),
  )
  await Promise.all(results)
  t.true(pmemlog.check(path))
  t.true(pmemblk.check(array))
  using again = pmemlog.open(path, { engine })
  t.is(again.tell(), 3 * rounds)
  using written = pmemblk.open(array, 0, { engine })
  for (const number of [0, 1, 2]) t.deepEqual([...written.read(number).subarray(0, 2)], [number, (rounds - 1) & 255])
})
