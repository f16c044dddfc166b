import test from 'ava'
import { journal } from 'pmem'
import { holding, journalFolder, opened, texts } from './helpers/journals.js'
import { nothings, refuses, rejects } from './helpers/pools.js'

test('data is text or bytes; for objects the message names JSON.stringify', async (t) => {
  const events = opened(t)
  for (const wrong of [...nothings, 7, 7n] as never[]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => events.append(wrong), { message: /"data"/ })
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => events.appendMany(['a', wrong]), { message: /"records\[1\]"/ })
    await rejects(t, 'ERR_INVALID_ARG_TYPE', () => events.appendAsync(wrong))
    await rejects(t, 'ERR_INVALID_ARG_TYPE', () => events.appendManyAsync([wrong]))
  }
  for (const object of [{ a: 1 }, [], new Map(), new Date()] as never[]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => events.append(object), { message: /JSON\.stringify/ })
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => events.appendMany([object]), { message: /JSON\.stringify/ })
    await rejects(t, 'ERR_INVALID_ARG_TYPE', () => events.appendAsync(object), { message: /JSON\.stringify/ })
  }
  for (const wrong of ['text', 7, null, undefined, {}] as never[]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => events.appendMany(wrong), { message: /"records"/ })
    await rejects(t, 'ERR_INVALID_ARG_TYPE', () => events.appendManyAsync(wrong))
  }
  t.deepEqual(texts(events), [])
})

test('memory that was transferred away is refused, and nothing is appended', (t) => {
  const events = opened(t)
  const bytes = new Uint8Array(8)
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  refuses(t, 'ERR_INVALID_ARG_VALUE', () => events.append(bytes))
  refuses(t, 'ERR_INVALID_ARG_VALUE', () => events.appendMany(['a', bytes]))
  t.is(events.next, 0)
})

test('options that no call has are refused, with the nearest name', async (t) => {
  const path = journalFolder(t)
  const events = opened(t)
  const uses: [string, () => unknown][] = [
    ['readonly', () => journal.open(path, { readOnly: true } as never)],
    ['segmentSize', () => journal.open(path, { segmentsize: 1 } as never)],
    ['durable', () => events.append('x', { durably: true } as never)],
    ['expected', () => events.appendMany(['x'], { expect: 1 } as never)],
    ['from', () => events.read({ form: 1 } as never)],
    ['signal', () => events.follow({ signals: 1 } as never)],
    ['follow', () => events.createReadStream({ followed: true } as never)],
    ['highWaterMark', () => events.createWriteStream({ highwaterMark: 1 } as never)],
    ['force', () => events.cursor('x').commit(0, { forced: true } as never)],
  ]
  for (const [name, use] of uses) refuses(t, 'ERR_INVALID_ARG_VALUE', use, { message: new RegExp(`Did you mean ${name}\\?`) })
  await rejects(t, 'ERR_INVALID_ARG_VALUE', () => events.consume('x', () => {}, { batches: 1 } as never), { message: /batch/ })
  for (const wrong of [null, 7, 'x'] as never[]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => journal.open(path, wrong))
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => events.append('x', wrong))
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => events.read(wrong))
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => events.follow(wrong))
  }
  refuses(t, 'ENOENT', () => journal.open(path, { create: false }))
})

test('the options of opening are checked, and make nothing', (t) => {
  const path = journalFolder(t)
  const open = (options: object) => () => journal.open(path, options)
  for (const name of ['create', 'readonly', 'dropUnread']) refuses(t, 'ERR_INVALID_ARG_TYPE', open({ [name]: 1 }), { message: new RegExp(`"${name}"`) })
  for (const name of ['segmentSize', 'maxBytes', 'maxAge', 'firstSequence', 'maxPending', 'mode']) {
    const message = new RegExp(`"${name}"`)
    for (const wrong of ['1', null, {}, true]) refuses(t, 'ERR_INVALID_ARG_TYPE', open({ [name]: wrong }), { message })
    for (const wrong of [-1, 0.5, NaN, Infinity, 2 ** 53, -1n]) refuses(t, 'ERR_OUT_OF_RANGE', open({ [name]: wrong }), { message })
  }
  for (const name of ['segmentSize', 'maxBytes']) refuses(t, 'ERR_OUT_OF_RANGE', open({ [name]: 0 }))
  refuses(t, 'ERR_OUT_OF_RANGE', open({ mode: 0o10000 }))
  refuses(t, 'ERR_INVALID_ARG_VALUE', open({ readonly: true, create: true }))
  refuses(t, 'ENOENT', open({ create: false }))
})

test('a folder is a path', (t) => {
  for (const wrong of [...nothings, 7] as never[]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => journal.open(wrong), { message: /"folder"/ })
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => journal.check(wrong), { message: /"folder"/ })
  }
  for (const wrong of ['', 'a\0b']) {
    refuses(t, 'ERR_INVALID_ARG_VALUE', () => journal.open(wrong))
    refuses(t, 'ERR_INVALID_ARG_VALUE', () => journal.check(wrong))
  }
})

test('the options of appending are checked, and nothing is appended', async (t) => {
  const events = opened(t)
  for (const wrong of ['1', null, {}, true] as never[]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => events.append('x', { expected: wrong }))
    await rejects(t, 'ERR_INVALID_ARG_TYPE', () => events.appendAsync('x', { expected: wrong }))
  }
  for (const wrong of [-1, 0.5, NaN, 2 ** 53]) {
    refuses(t, 'ERR_OUT_OF_RANGE', () => events.append('x', { expected: wrong }))
    refuses(t, 'ERR_OUT_OF_RANGE', () => events.appendMany(['x'], { expected: wrong }))
  }
  for (const wrong of [0, 1, 'no', null] as never[]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => events.append('x', { durable: wrong }))
    await rejects(t, 'ERR_INVALID_ARG_TYPE', () => events.appendManyAsync(['x'], { durable: wrong }))
  }
  t.is(events.next, 0)
})

test('what is read is checked at the call', (t) => {
  const events = holding(t, ['one'])
  for (const wrong of [null, {}, true, []] as never[]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => events.read({ from: wrong }), { message: /"from"/ })
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => events.follow({ from: wrong }))
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => events.createReadStream({ from: wrong }))
  }
  for (const wrong of ['1', null, true, new Date()] as never[]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => events.read({ to: wrong }), { message: /"to"/ })
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => events.read({ limit: wrong }), { message: /"limit"/ })
  }
  for (const wrong of [-1, 0.5, NaN, 2 ** 53]) {
    for (const name of ['from', 'to', 'limit']) refuses(t, 'ERR_OUT_OF_RANGE', () => events.read({ [name]: wrong }))
  }
  refuses(t, 'ERR_INVALID_ARG_TYPE', () => events.read({ skipDamaged: 1 as never }))
  refuses(t, 'ERR_INVALID_ARG_TYPE', () => events.createReadStream({ follow: 1 as never }))
  for (const wrong of ['1', -1, 0.5] as never[]) t.throws(() => events.createReadStream({ highWaterMark: wrong }))
  for (const wrong of [null, 7, {}, 'signal'] as never[]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => events.follow({ signal: wrong }), { message: /AbortSignal/ })
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => events.createReadStream({ signal: wrong }), { message: /AbortSignal/ })
  }
  for (const wrong of [...nothings].slice(1).filter((value) => typeof value !== 'number') as never[]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => events.get(wrong))
  }
})

test('names of cursors are checked', async (t) => {
  const events = opened(t)
  for (const wrong of [...nothings, 7] as never[]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => events.cursor(wrong))
    await rejects(t, 'ERR_INVALID_ARG_TYPE', () => events.consume(wrong, () => {}))
  }
  for (const wrong of ['', 'x'.repeat(101)]) {
    refuses(t, 'ERR_INVALID_ARG_VALUE', () => events.cursor(wrong))
    refuses(t, 'ERR_INVALID_ARG_VALUE', () => events.read({ from: wrong }))
    await rejects(t, 'ERR_INVALID_ARG_VALUE', () => events.consume(wrong, () => {}))
  }
  for (const wrong of [undefined, null, 7, 'handler', {}] as never[]) {
    await rejects(t, 'ERR_INVALID_ARG_TYPE', () => events.consume('reader', wrong), { message: /"handler"/ })
  }
  for (const wrong of [0, -1, 0.5]) await rejects(t, 'ERR_OUT_OF_RANGE', () => events.consume('reader', () => {}, { batch: wrong }))
  await rejects(t, 'ERR_INVALID_ARG_TYPE', () => events.consume('reader', () => {}, { batch: '1' as never }))
  t.deepEqual(events.cursors(), [])
})

test('nobody else constructs journals and cursors', (t) => {
  for (const wrong of [journal.Journal, journal.Cursor] as unknown as (new (...args: unknown[]) => unknown)[]) {
    t.throws(() => new wrong('x'), { instanceOf: TypeError, code: 'ERR_ILLEGAL_CONSTRUCTOR' })
  }
})
