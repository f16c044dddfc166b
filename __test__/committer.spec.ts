/** Work that is put off: its order, its limits, and every end that it can meet. */

import { pmemblk, pmemlog } from 'pmem'
import { contents, eachEngine, file, isError, newBlocks, newLog, refuses, rejects, sameBytes } from './helpers/pools.js'
import { startProcess, startWorker } from './helpers/pools-peers.js'

/** What each of the promises came to: true, or the code of its rejection. */
async function outcomes(promises: Promise<unknown>[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(promises)
  return settled.map((outcome) => outcome.status === 'fulfilled' || outcome.reason.code)
}

eachEngine('the order of calls is the order in the log, also with sync calls between', async (t, engine) => {
  const { log } = newLog(t, engine)
  const pending: Promise<void>[] = []
  let expected = ''
  for (let round = 0; round < 200; round += 1) {
    const text = `${round},`
    expected += text
    if (round % 7 === 3) log.append(text)
    else if (round % 31 === 5) log.appendMany([text])
    else pending.push(log.appendAsync(round % 2 ? text : Buffer.from(text)))
    if (round % 50 === 20) await pending.at(-1)
  }
  await Promise.all(pending)
  t.is(contents(log).toString(), expected)
})

eachEngine('promises settle in the order of their calls', async (t, engine) => {
  const { log } = newLog(t, engine)
  const order: number[] = []
  await Promise.all(Array.from({ length: 3000 }, (_, number) => log.appendAsync('x').then(() => order.push(number))))
  t.deepEqual(order, Array.from({ length: 3000 }, (_, number) => number))
  t.is(log.tell(), 3000)
})

eachEngine('in a full log exactly what does not fit is rejected, in order', async (t, engine) => {
  const { log } = newLog(t, engine)
  log.append(Buffer.alloc(log.nbyte() - 10))
  const lengths = [4, 7, 6, 1, 0, 1]
  const found = await outcomes(lengths.map((length) => log.appendAsync(Buffer.alloc(length, length))))
  t.deepEqual(found, [true, 'ENOSPC', true, 'ENOSPC', true, 'ENOSPC'])
  sameBytes(t, log.read(log.nbyte() - 10, 10), Buffer.from([4, 4, 4, 4, 6, 6, 6, 6, 6, 6]))
  log.rewind()
  await log.appendAsync('again')
  t.is(contents(log).toString(), 'again')
})

eachEngine('what is too much is rejected at once, and the rest goes on', async (t, engine) => {
  const path = file(t)
  const log = pmemlog.create(path, undefined, { engine, maxPending: 100 })
  t.teardown(() => log.close())
  const found = await outcomes([60, 40, 1, 70].map((length) => log.appendAsync(Buffer.alloc(length))))
  t.deepEqual(found, [true, true, 'ERR_PMEM_BUSY', 'ERR_PMEM_BUSY'])
  t.is(log.tell(), 100)
  // One alone may be as long as it likes.
  await log.appendAsync(Buffer.alloc(1000))
  await log.appendAsync('after')
  const [busy] = await Promise.allSettled([log.appendAsync(Buffer.alloc(99)), log.appendAsync('xx')]).then((all) => all.slice(1))
  isError(t, (busy as PromiseRejectedResult).reason, 'ERR_PMEM_BUSY', { message: /maxPending/ })
  refuses(t, 'ERR_OUT_OF_RANGE', () => pmemlog.create(file(t, 'another'), undefined, { maxPending: -1 }))
  refuses(t, 'ERR_INVALID_ARG_TYPE', () => pmemlog.open(path, { maxPending: '1' as never }))
})

eachEngine('closing finishes what waits, and settles it', async (t, engine) => {
  const { log, path } = newLog(t, engine)
  const before = [1, 2, 3].map((number) => log.appendAsync(`${number}`))
  log.close()
  await rejects(t, 'ERR_PMEM_CLOSED', () => log.appendAsync('4'))
  t.deepEqual(await outcomes(before), [true, true, true])
  const again = pmemlog.open(path)
  const [first, last] = [again.appendAsync('5'), again.appendAsync('6')]
  await again[Symbol.asyncDispose]()
  t.deepEqual(await outcomes([first, last]), [true, true])
  t.is(contents(pmemlog.open(path)).toString(), '12356')
})

eachEngine('a log that nobody holds any more settles what waits', async (t, engine) => {
  const path = file(t)
  pmemlog.create(path, undefined, { engine }).close()
  const append = () => pmemlog.open(path).appendAsync('kept')
  const pending = Array.from({ length: 50 }, append)
  ;(globalThis as { gc?: () => void }).gc?.()
  t.true((await outcomes(pending)).every((outcome) => outcome === true))
  t.is(contents(pmemlog.open(path)).toString(), 'kept'.repeat(50))
})

eachEngine('a worker that ends loses nothing that it put off', async (t, engine) => {
  const { log, path } = newLog(t, engine)
  for (const ending of ['terminate', 'exit']) {
    const worker = startWorker(t)
    const run = worker.run(
      ({ pmemlog }, path, ending) => {
        const log = pmemlog.open(path)
        for (let number = 0; number < 100; number += 1) void log.appendAsync(`${number},`)
        if (ending === 'exit') process.exit(0)
        // Nothing of it is told: the worker waits to be ended.
        return new Promise<void>(() => undefined)
      },
      path,
      ending,
    )
    void run.catch(() => undefined)
    if (ending === 'terminate') {
      while (log.tell() === 0) await new Promise((resolve) => setTimeout(resolve, 5))
      await worker.kill()
    } else {
      await run.catch(() => undefined)
    }
    // Whatever the worker left comes before this.
    log.append('end')
    t.is(contents(log).toString(), `${Array.from({ length: 100 }, (_, number) => `${number},`).join('')}end`)
    log.rewind()
  }
})

eachEngine('one thread of the runtime is enough, however many calls wait', async (t, engine) => {
  // Of one thread in all nobody waits for another who waits.
  const peer = startProcess(t, { env: { ...process.env, UV_THREADPOOL_SIZE: '1' } })
  const done = await peer.run(
    async ({ pmemlog, pmemblk, fs }, path, engine) => {
      const pools = [0, 1, 2].map((number) => pmemlog.create(`${path}-${number}`, undefined, { engine }))
      const array = pmemblk.create(`${path}-array`, 512, undefined, { engine })
      let done = 0
      const count = () => (done += 1)
      const pending = pools.flatMap((log) => Array.from({ length: 500 }, () => log.appendAsync('x').then(count)))
      pending.push(...Array.from({ length: 200 }, (_, index) => array.writeAsync('x', index).then(count)))
      await fs.promises.stat('.')
      await Promise.all(pending)
      return done
    },
    file(t),
    engine,
  )
  t.is(done, 1700)
})

eachEngine('blocks that wait are written in order, and read as they were written last', async (t, engine) => {
  const { blocks } = newBlocks(t, engine, 512)
  const pending: Promise<void>[] = []
  for (let round = 0; round < 100; round += 1) {
    const index = round % 5
    pending.push(blocks.writeAsync(`round ${round}`, index))
    if (round % 10 === 9) t.is(blocks.readText(index), `round ${round}`)
    if (round % 33 === 0) blocks.write(`sync ${round}`, 7)
  }
  pending.push(blocks.writeManyAsync(3, Buffer.alloc(1024, 'many')))
  blocks.setZero(0)
  t.is(blocks.readText(4), 'many'.repeat(128))
  await Promise.all(pending)
  t.is(blocks.readText(0), '')
  t.is(blocks.readText(2), 'round 97')
  t.is(blocks.readText(7), 'sync 99')
})

eachEngine('a thousand writes at once are all there', async (t, engine) => {
  const { blocks, path } = newBlocks(t, engine, 512)
  await Promise.all(Array.from({ length: 1000 }, (_, index) => blocks.writeAsync(`${index}`, (index * 37) % 1000)))
  blocks.close()
  t.true(pmemblk.check(path))
  const again = pmemblk.open(path)
  for (let index = 0; index < 1000; index += 1) t.is(again.readText((index * 37) % 1000), `${index}`)
  again.close()
})

eachEngine('arguments that are wrong reject, and wait for nothing', async (t, engine) => {
  const { log } = newLog(t, engine)
  const { blocks } = newBlocks(t, engine, 512, undefined, {}, file(t, 'blocks'))
  await rejects(t, 'ERR_INVALID_ARG_TYPE', () => log.appendAsync(7 as never))
  await rejects(t, 'ERR_OUT_OF_RANGE', () => blocks.writeAsync('x', -1))
  await rejects(t, 'ERR_OUT_OF_RANGE', () => blocks.writeAsync(Buffer.alloc(513), 0))
  await rejects(t, 'ERR_OUT_OF_RANGE', () => blocks.writeManyAsync(0, 'x'))
  await log.appendAsync('fine')
  t.is(contents(log).toString(), 'fine')
})
