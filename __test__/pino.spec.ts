/** Lines of the real pino in journals. */

import { once } from 'node:events'
import test from 'ava'
import pino from 'pino'
import { journal } from 'pmem'
import destination from 'pmem/pino'
import { journalFolder, opened, soon, texts, until } from './helpers/journals.js'
import { isError, refuses } from './helpers/pools.js'
import { ended, program } from './helpers/programs.js'

interface Line {
  msg: string
  number?: number
}

/** The lines of a journal, which is closed elsewhere. */
function lines(path: string): Line[] {
  const logs = journal.open(path)
  try {
    logs.flush()
    return Array.from(logs, (record) => record.json<Line>())
  } finally {
    logs.close()
  }
}

test('each line is a record', async (t) => {
  const folder = journalFolder(t)
  const stream = destination({ folder })
  const logger = pino({ base: null, timestamp: false }, stream)
  logger.info('one')
  logger.child({ a: 1 }).warn({ b: 'two\nlines' }, 'two')
  await new Promise((resolve) => logger.flush(resolve))
  t.deepEqual(texts(stream.journal), ['{"level":30,"msg":"one"}', '{"level":40,"a":1,"b":"two\\nlines","msg":"two"}'])
  stream.end()
  await once(stream, 'close')
  t.true(stream.journal.closed)
  t.is(lines(folder).length, 2)
})

test('lines are durable within the interval, or at once', async (t) => {
  const stream = destination({ folder: journalFolder(t), flushInterval: 20 })
  const logger = pino(stream)
  logger.info('one')
  t.is(stream.journal.next, 0)
  await until(() => stream.journal.next === 1)
  t.is(stream.journal.next, 1)
  logger.info('two')
  stream.flushSync()
  t.is(stream.journal.next, 2)
  stream.destroy()
  const durable = destination({ folder: journalFolder(t), durable: true })
  pino(durable).info('one')
  t.is(durable.journal.next, 1)
  durable.destroy()
})

for (const end of ['kill', 'exit', 'throw', 'return']) {
  test(`every line whose call returned is there after the process ended: ${end}`, async (t) => {
    const folder = journalFolder(t)
    const { status, stderr } = await ended(process.execPath, [program('journal.js'), 'pino', folder, '5000', end])
    t.is(status, { kill: 'SIGKILL', throw: 1 }[end] ?? 0, stderr)
    t.deepEqual(lines(folder).map(({ number }) => number), Array.from({ length: 5000 }, (_, index) => index))
    if (end !== 'kill') t.deepEqual(opened(t, {}, folder).recovered, { torn: 0 })
  })
}

test('a transport appends in its worker', async (t) => {
  const folder = journalFolder(t)
  const transport = pino.transport({ target: 'pmem/pino', options: { folder, segmentSize: 4 << 20 } })
  const logger = pino({ base: null }, transport)
  for (let number = 0; number < 5000; number += 1) logger.info({ number, text: 'ä'.repeat(number % 300) }, 'a line')
  await soon(new Promise((resolve) => logger.flush(resolve)), 20_000)
  transport.end()
  await soon(once(transport, 'close'), 20_000)
  t.deepEqual(lines(folder).map(({ number }) => number), Array.from({ length: 5000 }, (_, index) => index))
})

test('one of several targets of a transport', async (t) => {
  const [all, errors] = [journalFolder(t), journalFolder(t)]
  const transport = pino.transport({
    targets: [
      { target: 'pmem/pino', level: 'info', options: { folder: all } },
      { target: 'pmem/pino', level: 'error', options: { folder: errors, durable: true } },
    ],
  })
  const logger = pino({ base: null }, transport)
  logger.info('one')
  logger.error('two')
  await soon(new Promise((resolve) => logger.flush(resolve)))
  transport.end()
  await soon(once(transport, 'close'))
  t.deepEqual(lines(all).map(({ msg }) => msg), ['one', 'two'])
  t.deepEqual(lines(errors).map(({ msg }) => msg), ['two'])
})

test('one of several streams', (t) => {
  const stream = destination({ folder: journalFolder(t) })
  const logger = pino({ base: null }, pino.multistream([{ stream }, { level: 'error', stream: process.stderr }]))
  logger.info('one')
  stream.flushSync()
  t.is(texts(stream.journal).length, 1)
  stream.destroy()
})

test('chunks are taken to pieces at line breaks, wherever they are cut', async (t) => {
  const stream = destination({ folder: journalFolder(t) })
  const bytes = Buffer.from('one\ntwo ä\n\nthree\nfo')
  for (const byte of bytes) stream.write(Buffer.of(byte))
  stream.write('ur\nfive\n')
  stream.write('')
  t.true(stream.write('si'))
  await new Promise((resolve) => stream.write('x', resolve))
  const found = stream.journal
  stream.flushSync()
  t.deepEqual(texts(found), ['one', 'two ä', 'three', 'four', 'five'])
  const again = opened(t, {}, found.path)
  await new Promise((resolve) => stream.end('\nseven', () => resolve(undefined)))
  t.deepEqual(texts(again.read({ from: 5 })), ['six', 'seven'])
})

test('what fails is an error event, and the next line is tried anew', async (t) => {
  const stream = destination({ folder: journalFolder(t) })
  const errors: unknown[] = []
  stream.on('error', (error) => errors.push(error))
  const logger = pino(stream)
  stream.journal.close()
  logger.info('lost')
  logger.info('lost too')
  t.is(errors.length, 2)
  isError(t, errors[0], 'ERR_PMEM_CLOSED')
  const failure = await new Promise((resolve) => logger.flush(resolve))
  isError(t, failure, 'ERR_PMEM_CLOSED')
  stream.destroy()
  await once(stream, 'close')
})

test('options are checked', (t) => {
  const folder = journalFolder(t)
  for (const wrong of [undefined, null, 'folder'] as never[]) refuses(t, 'ERR_INVALID_ARG_TYPE', () => destination(wrong))
  refuses(t, 'ERR_INVALID_ARG_TYPE', () => destination({} as never), { message: /"folder"/ })
  refuses(t, 'ERR_INVALID_ARG_TYPE', () => destination({ folder, durable: 1 as never }))
  for (const wrong of [-1, 0.5, 2 ** 31]) refuses(t, 'ERR_OUT_OF_RANGE', () => destination({ folder, flushInterval: wrong }))
  refuses(t, 'ERR_INVALID_ARG_VALUE', () => destination({ folder, flushinterval: 1 } as never))
  refuses(t, 'ENOENT', () => destination({ folder, create: false }))
})
