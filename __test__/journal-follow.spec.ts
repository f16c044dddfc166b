import test from 'ava'
import type { journal } from 'pmem'
import { holding, numbered, opened, pause, soon, taken, texts } from './helpers/journals.js'
import { refuses } from './helpers/pools.js'
import { ended, root } from './helpers/programs.js'

type Result = IteratorResult<journal.JournalRecord>

test('what is there comes first, then what is appended', async (t) => {
  const events = holding(t, numbered(3))
  const following = taken(events.follow(), 6)
  await pause(20)
  events.append('record 3')
  events.appendMany(['record 4', 'record 5'])
  t.deepEqual(await soon(following), numbered(6))
})

test('from says where it begins', async (t) => {
  const events = holding(t, numbered(3))
  t.deepEqual(await taken(events.follow({ from: 1 }), 2), ['record 1', 'record 2'])
  events.cursor('reader').commit(1)
  t.deepEqual(await taken(events.follow({ from: 'reader' }), 1), ['record 2'])
  const following = taken(events.follow({ from: events.next }), 1)
  events.append('record 3')
  t.deepEqual(await soon(following), ['record 3'])
  refuses(t, 'ERR_OUT_OF_RANGE', () => events.follow({ from: 5 }))
})

test('what is not durable comes once it is', async (t) => {
  const events = opened(t)
  const records = events.follow()
  const first = records.next()
  events.append('one', { durable: false })
  t.is(await Promise.race([first, pause(50).then(() => 'nothing')]), 'nothing' as never)
  events.flush()
  t.is(((await soon(first)) as Result).value.text(), 'one')
})

test('many records pass through, appended one by one and together, also asynchronously', async (t) => {
  const events = opened(t)
  const following = taken(events.follow(), 3000)
  for (let count = 0; count < 1000; count += 1) {
    if (count % 50 === 0) await pause(1)
    events.append(`record ${count}`)
  }
  events.appendMany(numbered(1000, 1000))
  await Promise.all(numbered(1000, 2000).map((text) => events.appendAsync(text)))
  t.deepEqual(await soon(following, 20_000), numbered(3000))
})

test('several follow at once', async (t) => {
  const events = opened(t)
  const all = Array.from({ length: 20 }, () => taken(events.follow(), 10))
  for (const text of numbered(10)) {
    await pause(2)
    events.append(text)
  }
  for (const one of await soon(Promise.all(all))) t.deepEqual(one, numbered(10))
})

test('who asks several times at once gets records in order', async (t) => {
  const events = opened(t)
  const records = events.follow()
  const asked = Array.from({ length: 5 }, () => records.next())
  for (const text of numbered(5)) {
    await pause(2)
    events.append(text)
  }
  const got = await soon(Promise.all(asked))
  t.deepEqual(got.map(({ value }) => value!.text()), numbered(5))
  t.deepEqual(await records.return(), { value: undefined, done: true })
  t.deepEqual(await records.next(), { value: undefined, done: true })
})

for (const when of ['before it begins', 'while records are there', 'while it waits']) {
  test(`an abort throws the signal's reason: ${when}`, async (t) => {
    const events = holding(t, when === 'while it waits' ? [] : numbered(100))
    const controller = new AbortController()
    const reason = new Error('enough')
    if (when === 'before it begins') controller.abort(reason)
    const seen: string[] = []
    const following = (async () => {
      for await (const record of events.follow({ signal: controller.signal })) {
        seen.push(record.text())
        if (seen.length === 10) controller.abort(reason)
      }
    })()
    if (when === 'while it waits') setTimeout(() => controller.abort(reason), 20)
    t.is(await soon(t.throwsAsync(following)), reason)
    t.is(seen.length, when === 'while records are there' ? 10 : 0)
  })
}

test("an abort without a reason throws the signal's own", async (t) => {
  const events = opened(t)
  const records = events.follow({ signal: AbortSignal.timeout(10) })
  const error = await soon(records.next().then(() => undefined, (thrown: unknown) => thrown))
  t.is((error as Error).name, 'TimeoutError')
  t.deepEqual(await records.next(), { value: undefined, done: true } as never)
})

test('an abort that comes with a record, or after the end, harms nothing', async (t) => {
  const events = opened(t)
  const controller = new AbortController()
  const records = events.follow({ signal: controller.signal })
  const next = records.next()
  events.append('one')
  t.is((await soon(next)).value!.text(), 'one')
  await records.return()
  controller.abort()
  t.deepEqual(await records.next(), { value: undefined, done: true })
})

test('closing ends it: while it waits, and while records are there', async (t) => {
  const events = holding(t, numbered(100))
  const controller = new AbortController()
  const waiting = events.follow({ from: 100, signal: controller.signal }).next()
  const reading = events.follow()
  t.is((await reading.next()).value!.text(), 'record 0')
  await pause(10)
  events.close()
  t.deepEqual(await soon(waiting), { value: undefined, done: true })
  t.deepEqual(await reading.next(), { value: undefined, done: true })
  controller.abort()
})

test('closing within the loop ends it', async (t) => {
  const events = holding(t, numbered(5))
  const seen: string[] = []
  for await (const record of events.follow()) {
    seen.push(record.text())
    if (seen.length === 3) events.close()
  }
  t.deepEqual(seen, numbered(3))
})

test('return ends a wait', async (t) => {
  const events = opened(t)
  const records = events.follow()
  const waiting = records.next()
  await pause(10)
  t.deepEqual(await soon(records.return()), { value: undefined, done: true })
  t.deepEqual(await soon(waiting), { value: undefined, done: true })
  const failing = events.follow()
  const failure = new Error('thrown in')
  t.is(await t.throwsAsync(failing.throw(failure)), failure)
  t.deepEqual(await failing.next(), { value: undefined, done: true })
})

test('one that is overtaken is told', async (t) => {
  const events = holding(t, Array.from({ length: 100 }, () => Buffer.alloc(5000)))
  const records = events.follow()
  await records.next()
  events.truncateBefore(90)
  const error = await t.throwsAsync(async () => {
    for await (const record of records) t.true(record.sequence < 90)
  })
  t.like(error, { code: 'ERR_PMEM_GAP', first: 90 })
})

test('it is iterated over as it is, and has what async iterators have', async (t) => {
  const events = holding(t, ['one'])
  const records = events.follow()
  t.is(records[Symbol.asyncIterator](), records)
  await records[Symbol.asyncDispose]()
  t.deepEqual(await records.next(), { value: undefined, done: true })
})

const script = (body: string) => `
  const { journal } = require('${root}')
  const events = journal.open(process.argv[1])
  ${body}
`

test('who waits keeps the process alive; who does not, does not', async (t) => {
  const events = opened(t)
  const path = events.path
  events.append('one')
  events.close()
  const run = (body: string) => ended(process.execPath, ['-e', script(body), path])
  const waits = await run(`
    setTimeout(() => events.append('two'), 200).unref()
    ;(async () => { for await (const record of events.follow({ from: 1 })) { console.log(record.text()); break } })()
  `)
  // Only the wait is left, and the timer of whoever would append does not count.
  t.is(waits.stdout, 'two\n', waits.stderr)
  t.is(waits.status, 0)
  const done = await run(`
    ;(async () => {
      const records = events.follow({ from: events.next })
      const next = records.next()
      await records.return()
      await next
      console.log('done')
    })()
  `)
  t.deepEqual([done.status, done.stdout], [0, 'done\n'], done.stderr)
  const held = await run("events.follow(); events.createReadStream({ follow: true }); console.log('nothing')")
  t.deepEqual([held.status, held.stdout], [0, 'nothing\n'], held.stderr)
})

test('what follows a journal keeps it open, and it can be read meanwhile', async (t) => {
  const events = opened(t)
  const next = events.follow().next()
  events.append('one')
  t.deepEqual(texts(events), ['one'])
  t.is((await soon(next)).value!.sequence, 0)
})
