import { openSync, readFileSync, readdirSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { journal } from 'pmem'
import { call, done, failed } from './helpers/cli.js'
import { folder } from './helpers/files.js'

test('records are appended and printed', (t) => {
  const here = folder(t)
  done(t, here, ['journal', 'append', 'events', 'zero'])
  done(t, here, ['journal', 'append', 'events'], 'one\ntwo\n\nthree')
  t.is(done(t, here, ['journal', 'cat', 'events']), 'zero\none\ntwo\n\nthree\n')
  t.is(done(t, here, ['journal', 'cat', '--from', '1', '--limit', '2', 'events']), 'one\ntwo\n')
  t.is(done(t, here, ['journal', 'tail', '-n', '1', 'events']), 'three\n')
  t.is(done(t, here, ['journal', 'tail', '-n', '100', 'events']), 'zero\none\ntwo\n\nthree\n')
  t.is(done(t, here, ['journal', 'cat', '--from', '2020-01-01', 'events']), 'zero\none\ntwo\n\nthree\n')
  t.is(done(t, here, ['journal', 'cat', '--from', '2200-01-01T00:00Z', 'events']), '')
  failed(t, here, ['journal', 'cat', '--from', '2020-99-01', 'events'], 2, /--from is a sequence, a time or a cursor/)
  t.like(JSON.parse(done(t, here, ['journal', 'stat', '--json', 'events'])), { records: 5, first: 0, next: 5 })
})

test('what is printed as lines of JSON can be appended again', (t) => {
  const here = folder(t)
  const events = journal.open(join(here, 'events'))
  const records = ['text', 'lines\nof it', '', 'ünï', Buffer.from([0xff, 0, 0xfe])]
  for (const record of records) events.append(record)
  events.close()
  const lines = done(t, here, ['journal', 'cat', '--jsonl', 'events'])
  const parsed = lines.trimEnd().split('\n').map((line) => JSON.parse(line) as { sequence: number; time: string; text?: string; base64?: string })
  t.deepEqual(parsed.map(({ sequence, text, base64 }) => [sequence, text ?? base64]), [[0, 'text'], [1, 'lines\nof it'], [2, ''], [3, 'ünï'], [4, '/wD+']])
  for (const { time } of parsed) t.is(new Date(time).toISOString(), time)
  done(t, here, ['journal', 'append', '--jsonl', 'copy'], lines)
  const copy = journal.open(join(here, 'copy'), { readonly: true })
  t.teardown(() => copy.close())
  t.deepEqual([...copy].map(({ data }) => data), records.map((record) => Buffer.from(record)))
})

test('a line that is no record stops it, and what came before stays', (t) => {
  const here = folder(t)
  const lines = [...Array.from({ length: 1500 }, (_, index) => JSON.stringify({ text: `${index}` })), '{"no":1}', '{"text":"never"}'].join('\n')
  failed(t, here, ['journal', 'append', '--jsonl', 'events'], 1, /line 1501 is no JSON with text or base64: nothing of it or behind it was appended/, lines)
  t.is(done(t, here, ['journal', 'cat', 'events']).trimEnd().split('\n').length, 1500)
  failed(t, here, ['journal', 'append', '--jsonl', 'events'], 1, /line 1 is no JSON/, 'text\n')
})

test('cursors are shown, and keep what they have not read', (t) => {
  const here = folder(t)
  const events = journal.open(join(here, 'events'), { segmentSize: 65_536 })
  for (let index = 0; index < 100; index += 1) events.append(Buffer.alloc(4000, `${index}`))
  events.cursor('mail').commit(29)
  events.close()
  t.deepEqual(JSON.parse(done(t, here, ['journal', 'cursors', '--json', 'events'])), [{ name: 'mail', position: 30, ahead: 70 }])
  t.regex(done(t, here, ['journal', 'cursors', 'events']), /^NAME {2}POSITION {2}AHEAD\nmail {2}30 {8}70\n$/)
  t.is(done(t, here, ['journal', 'cat', '--jsonl', '--from', 'mail', '--limit', '1', 'events']).slice(0, 14), '{"sequence":30')
  failed(t, here, ['journal', 'cat', '--from', 'nobody', 'events'], 1, /nobody/)
  failed(t, here, ['journal', 'truncate', 'events'], 2, /--before is missing/)
  done(t, here, ['journal', 'truncate', '--before', '30', 'events'])
  const { first } = JSON.parse(done(t, here, ['journal', 'stat', '--json', 'events'])) as { first: number }
  t.true(first > 0 && first <= 30)
})

test('the sound records of a damaged journal are copied, each to its sequence', (t) => {
  const here = folder(t)
  const events = journal.open(join(here, 'events'), { firstSequence: 5 })
  for (let index = 0; index < 10; index += 1) events.append(`record ${index} of ten`)
  events.close()
  const segment = join(here, 'events', readdirSync(join(here, 'events')).find((name) => name.endsWith('.seg'))!)
  const file = openSync(segment, 'r+')
  writeSync(file, 'RECORD', readFileSync(segment).indexOf('record 3'))
  t.is(call(here, ['journal', 'verify', 'events']).status, 1)
  failed(t, here, ['journal', 'cat', 'events'], 1, /ERR_PMEM_CORRUPT|damaged/)
  t.is(done(t, here, ['journal', 'repair', 'events', 'repaired']), '9 records copied, 1 lost\n')
  t.is(call(here, ['journal', 'verify', 'repaired']).status, 0)
  const repaired = journal.open(join(here, 'repaired'))
  t.teardown(() => repaired.close())
  t.deepEqual([repaired.first, repaired.next], [5, 15])
  t.deepEqual([...repaired].map((record) => record.text()), Array.from({ length: 10 }, (_, index) => (index === 3 ? '' : `record ${index} of ten`)))
  failed(t, here, ['journal', 'repair', 'events', 'repaired'], 1, /is there already/)
})
