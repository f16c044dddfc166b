/** Journals in workers and in other processes, and their ends. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { journal } from 'pmem'
import { holding, journalFolder, numbered, opened, pause, soon, taken, texts, until } from './helpers/journals.js'
import { durableIsCheap, refuses, rejects } from './helpers/pools.js'
import { program } from './helpers/programs.js'

/** Starts a worker; what it tells comes in order. */
function worker(t: ExecutionContext, ...args: string[]): { worker: Worker; told: () => Promise<unknown>; exit: Promise<number> } {
  const started = new Worker(program('journal.js'), { workerData: args })
  t.teardown(() => started.terminate())
  const exit = new Promise<number>((resolve) => started.on('error', () => {}).on('exit', resolve))
  return { worker: started, told: teller(started), exit }
}

/** Starts a process. */
function child(t: ExecutionContext, ...args: string[]): { child: ChildProcess; told: () => Promise<unknown>; exit: Promise<unknown> } {
  const started = fork(program('journal.js'), args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  t.teardown(() => started.kill('SIGKILL'))
  const exit = once(started, 'exit')
  return { child: started, told: teller(started), exit }
}

/** The messages of whoever was started, one after the other. */
function teller(started: Worker | ChildProcess): () => Promise<unknown> {
  const messages: unknown[] = []
  let wake = () => {}
  started.on('message', (message: unknown) => {
    messages.push(message)
    wake()
  })
  return async () => {
    while (messages.length === 0) await soon(new Promise<void>((resolve) => (wake = resolve)), 20_000)
    return messages.shift()
  }
}

const COUNT = durableIsCheap ? 4000 : 200

test('workers append to one journal: each record whole, once, in its order, under the sequence that was told', async (t) => {
  const events = opened(t)
  const workers = [0, 1, 2].map((number) => worker(t, 'append', events.path, `${number}`, `${COUNT}`))
  const told = (await Promise.all(workers.map(({ told }) => told()))) as number[][]
  const all = [...events]
  t.is(all.length, 3 * COUNT)
  for (const [number, sequences] of told.entries()) {
    t.deepEqual(sequences.map((sequence) => all[sequence]!.text().split(' ')[0]), sequences.map(() => `${number}`))
    const own = all.filter(({ sequence }) => sequences.includes(sequence)).map((record) => Number(record.text().split(' ')[1]))
    // A queued append has its place in the order of calls.
    t.deepEqual(own, Array.from({ length: COUNT }, (_, index) => index))
  }
  t.deepEqual(await Promise.all(workers.map(({ exit }) => exit)), [0, 0, 0])
  t.true(journal.check(events.path).sound)
})

test('a worker follows what this thread appends', async (t) => {
  const events = holding(t, numbered(10))
  const { told, exit } = worker(t, 'follow', events.path, '30')
  t.is(await told(), 'ready')
  for (const text of numbered(20, 10)) {
    events.append(text)
    await pause(1)
  }
  t.deepEqual(await told(), numbered(30))
  t.is(await exit, 0)
})

test('another process follows, readonly', async (t) => {
  const events = holding(t, numbered(10))
  const { told, exit } = child(t, 'follow', events.path, '30', 'readonly')
  t.is(await told(), 'ready')
  for (const text of numbered(20, 10)) {
    events.append(text)
    await pause(1)
  }
  t.deepEqual(await told(), numbered(30))
  t.deepEqual(await exit, [0, null])
})

test('another process consumes, readonly, what this one appends', async (t) => {
  const events = holding(t, numbered(10))
  const { child: started, told } = child(t, 'consume', events.path)
  for (const text of numbered(10)) t.is(await told(), text)
  events.append('record 10')
  t.is(await told(), 'record 10')
  const cursor = events.cursor('worker')
  await until(() => cursor.position === 11)
  t.is(cursor.position, 11)
  await rejects(t, 'EAGAIN', () => events.consume('worker', () => {}))
  started.kill('SIGKILL')
  await once(started, 'exit')
  const controller = new AbortController()
  const consuming = events.consume('worker', () => controller.abort('done'), { signal: controller.signal })
  events.append('record 11')
  t.is(await soon(consuming.catch((reason: unknown) => reason)), 'done')
})

test('this process follows what another appends, and may not append itself', async (t) => {
  const path = journalFolder(t)
  const { told } = child(t, 'flood', path)
  await told()
  refuses(t, 'EAGAIN', () => journal.open(path))
  const reader = opened(t, { readonly: true }, path)
  const found = await soon(taken(reader.follow(), 2000), 20_000)
  t.is(found.filter((text) => text === 'durable').length, Math.floor(2000 / 101))
  t.true(journal.check(path).sound)
})

test('what another process was told is there after it was killed', async (t) => {
  const path = journalFolder(t)
  let acknowledged = -1
  for (let round = 0; round < 3; round += 1) {
    const { child: started, told, exit } = child(t, 'flood', path)
    acknowledged = (await told()) as number
    setTimeout(() => started.kill('SIGKILL'), 50 + round * 7)
    for (;;) {
      const sequence = await Promise.race([told(), exit.then(() => undefined)])
      if (sequence === undefined) break
      acknowledged = sequence as number
    }
    const events = journal.open(path)
    t.true(events.next > acknowledged)
    t.is(events.get(acknowledged)!.text(), 'durable')
    t.is([...events].length, events.next)
    events.close()
  }
})

for (const [end, code] of [['exit', 3], ['throw', 1], ['wait', 1]] as const) {
  test(`workers that end while they wait: ${end}`, async (t) => {
    const events = opened(t)
    await Promise.all(Array.from({ length: 4 }, async (_, turn) => {
      const { worker: started, told, exit } = worker(t, end, events.path)
      if (end === 'wait') {
        // One of them has the lock of the cursor; the others fail with EAGAIN, which ends them too.
        await Promise.race([told(), exit])
        await pause(turn * 3)
        await started.terminate()
      }
      t.true([code, 1].includes(await exit))
    }))
    const next = events.follow().next()
    events.append('still here')
    t.is((await soon(next)).value!.text(), 'still here')
    // Their locks are given back.
    const controller = new AbortController()
    const consuming = events.consume('worker', () => controller.abort('done'), { signal: controller.signal })
    t.is(await soon(consuming.catch((reason: unknown) => reason)), 'done')
  })
}

test('records that come while a worker ends harm nothing', async (t) => {
  const events = opened(t)
  for (let round = 0; round < 10; round += 1) {
    const { worker: started, told } = worker(t, 'wait', events.path)
    await told()
    const ending = started.terminate()
    for (let count = 0; count < 50; count += 1) events.append('x')
    await ending
  }
  t.is(texts(events).length, 500)
})

/** Makes what nobody holds be collected, and its finalizers run. */
async function collect(): Promise<void> {
  for (let round = 0; round < 3; round += 1) {
    ;(globalThis as { gc?: () => void }).gc!()
    await pause(10)
  }
}

test('a journal that is collected is closed, but not while someone follows it or waits for an append', async (t) => {
  const path = journalFolder(t)
  const use = () => {
    const events = journal.open(path)
    events.append('one')
    return { waiting: events.follow({ from: 1 }).next(), appended: events.appendAsync('two') }
  }
  const { waiting, appended } = use()
  await collect()
  t.is(await appended, 1)
  t.is((await soon(waiting)).value!.text(), 'two')
  const following = (() => journal.open(path).follow({ from: 2 }))()
  const third = following.next()
  await collect()
  const { told, exit } = child(t, 'refused', path)
  t.is(await told(), 'EAGAIN')
  await exit
  opened(t, {}, path).append('three')
  t.is((await soon(third)).value!.text(), 'three')
})

test('a journal that is collected unused gives its lock back', async (t) => {
  const path = journalFolder(t)
  ;(() => void journal.open(path).append('one'))()
  await collect()
  const { told } = child(t, 'refused', path)
  t.is(await told(), 'opened')
})
