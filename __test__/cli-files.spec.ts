import { once } from 'node:events'
import { chmodSync, closeSync, existsSync, openSync, readFileSync, readdirSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { journal, objects, pmemblk, pmemlog } from 'pmem'
import { call, done, failed, printed, started } from './helpers/cli.js'
import { folder, othersReach } from './helpers/files.js'

test('a log is made, appended to, printed, followed and emptied', async (t) => {
  const here = folder(t)
  done(t, here, ['log', 'create', 'a.log', '--size', '8MiB'])
  t.is(statSync(join(here, 'a.log')).size, 8 << 20)
  done(t, here, ['log', 'append', 'a.log', 'first\n'])
  const text = Array.from({ length: 300_000 }, (_, index) => `line ${index}\n`).join('')
  done(t, here, ['log', 'append', 'a.log'], text)
  t.is(done(t, here, ['log', 'cat', 'a.log']), `first\n${text}`)
  t.is(done(t, here, ['log', 'tail', '-n', '2', 'a.log']), 'line 299998\nline 299999\n')
  t.is(done(t, here, ['log', 'tail', '-n', '1000000', 'a.log']), `first\n${text}`)
  t.is(done(t, here, ['log', 'tail', '-n', '250000', 'a.log']), text.slice(text.indexOf('line 50000\n')))

  const child = started(t, here, ['log', 'tail', '-f', '-n', '1', 'a.log'])
  await printed(child, 'line 299999\n')
  done(t, here, ['log', 'append', 'a.log', 'more\n'])
  await printed(child, 'more\n')
  child.kill('SIGINT')
  await once(child, 'close')

  const { used, capacity } = JSON.parse(done(t, here, ['log', 'stat', '--json', 'a.log'])) as { used: number; capacity: number }
  t.is(used, text.length + 11)
  t.true(capacity > 8_000_000)
  failed(t, here, ['log', 'append', 'a.log'], 1, /ENOSPC/, Buffer.alloc(9 << 20))
  done(t, here, ['log', 'rewind', 'a.log'])
  t.is(done(t, here, ['log', 'cat', 'a.log']), '')
  failed(t, here, ['log', 'create', 'a.log'], 1, /EEXIST/)
})

test('blocks are made, written, read and drawn', (t) => {
  const here = folder(t)
  done(t, here, ['blk', 'create', 'a.blk', '--block-size', '1KiB'])
  done(t, here, ['blk', 'write', 'a.blk', '100', 'one'])
  done(t, here, ['blk', 'write', 'a.blk', '0'], Buffer.alloc(1024, 'x'))
  failed(t, here, ['blk', 'write', 'a.blk', '0'], 1, /do not fit into a block, which has 1024/, Buffer.alloc(1025))
  failed(t, here, ['blk', 'write', 'a.blk', '9999999', 'x'], 1, /ERR_OUT_OF_RANGE|EINVAL/)
  t.is(done(t, here, ['blk', 'read', 'a.blk', '100']), `one${'\0'.repeat(1021)}`)
  t.is(done(t, here, ['blk', 'read', 'a.blk', '0']), 'x'.repeat(1024))
  const array = pmemblk.open(join(here, 'a.blk'))
  array.setError(500)
  const count = array.nblock()
  array.close()
  const drawn = done(t, here, ['blk', 'dump', 'a.blk']).split('\n\n')
  const marks = drawn[0]!.replaceAll('\n', '')
  const each = Math.ceil(count / marks.length)
  t.deepEqual([...marks].flatMap((mark, index) => (mark === '.' ? [] : [[index, mark]])), [
    [0, '#'],
    [Math.floor(100 / each), '#'],
    [Math.floor(500 / each), '!'],
  ])
  t.true(drawn[1]!.startsWith(`A mark is ${each} blocks`))
  failed(t, here, ['blk', 'read', 'a.blk', '500'], 1, /EIO/)
  const known = JSON.parse(done(t, here, ['blk', 'stat', '--json', 'a.blk'])) as object
  t.like(known, { kind: 'blocks', blockSize: 1024, blocks: count })
})

test('a log and an array of blocks are copied to other sizes', (t) => {
  const here = folder(t)
  done(t, here, ['log', 'create', 'a.log', '--size', '4MiB'])
  done(t, here, ['log', 'append', 'a.log'], Buffer.alloc(3_000_000, 'text of a log\n'))
  failed(t, here, ['copy', 'a.log', 'b.log', '--size', '2MiB'], 1, /do not fit.*--size/)
  done(t, here, ['copy', 'a.log', 'c.log', '--size', '5MiB'])
  t.is(statSync(join(here, 'c.log')).size, 5 << 20)
  t.is(done(t, here, ['log', 'cat', 'c.log']), done(t, here, ['log', 'cat', 'a.log']))
  failed(t, here, ['copy', 'a.log', 'c.log'], 1, /is there already/)

  const array = pmemblk.create(join(here, 'a.blk'), 512, 16 << 20 | 8192)
  for (const index of [0, 7, 3000]) array.write(Buffer.alloc(512, index), index)
  array.setError(5)
  array.close()
  done(t, here, ['copy', 'a.blk', 'b.blk', '--size', '20MiB'])
  const copy = pmemblk.open(join(here, 'b.blk'))
  t.teardown(() => copy.close())
  for (const index of [0, 7, 3000]) t.deepEqual(copy.read(index), Buffer.alloc(512, index))
  t.deepEqual(copy.read(6), Buffer.alloc(512))
  t.throws(() => copy.read(5), { code: 'EIO' })
})

test('a copy that was interrupted is gone on with, and nothing else is', (t) => {
  const here = folder(t)
  const log = pmemlog.create(join(here, 'a.log'), 4 << 20)
  log.append(Buffer.alloc(3_000_000, 'text of a log\n'))
  const partial = pmemlog.create(join(here, 'b.log.partial'), 6 << 20)
  partial.append(log.read(0, 1_000_000))
  log.close()
  partial.close()
  done(t, here, ['copy', 'a.log', 'b.log', '--size', '6MiB'])
  t.is(done(t, here, ['log', 'cat', 'b.log']), done(t, here, ['log', 'cat', 'a.log']))
  t.false(existsSync(join(here, 'b.log.partial')))

  const other = pmemlog.create(join(here, 'c.log.partial'), 6 << 20)
  other.append('something else')
  other.close()
  failed(t, here, ['copy', 'a.log', 'c.log', '--size', '6MiB'], 1, /has other bytes/)
  t.false(existsSync(join(here, 'c.log')))
})

test('info and check know what is what, and change nothing', (t) => {
  const here = folder(t)
  done(t, here, ['log', 'create', 'a.log'])
  done(t, here, ['blk', 'create', 'a.blk'])
  done(t, here, ['journal', 'append', 'events', 'one'])
  objects.open(join(here, 'a.store'), { root: () => ({ a: 1 }), version: 3 }).close()
  writeFileSync(join(here, 'bytes'), 'bytes')
  writeFileSync(join(here, 'empty'), '')
  const files = ['a.log', 'a.blk', 'a.store', 'bytes', 'empty', ...readdirSync(join(here, 'events')).map((name) => join('events', name))].filter((name) => statSync(join(here, name)).isFile())
  const contents = () => files.map((name) => readFileSync(join(here, name)).toString('base64'))
  const before = contents()
  const kindOf = (name: string) => (JSON.parse(done(t, here, ['info', '--json', name])) as { kind: string }).kind
  t.deepEqual(['a.log', 'a.blk', 'events', 'a.store', 'bytes', 'empty'].map(kindOf), ['log', 'blocks', 'journal', 'store', 'bytes', 'bytes'])
  t.like(JSON.parse(done(t, here, ['info', '--json', 'a.store'])), { version: 3 })
  t.is(done(t, here, ['check', 'a.log', 'a.blk', 'events', 'a.store']), 'a.log: sound\na.blk: sound\nevents: sound\na.store: sound\n')
  for (const name of ['bytes', 'empty', '.', 'missing', join('events', '00000000000000000000.seg')]) {
    const { status, stdout } = call(here, ['check', name])
    t.is(status, 2, name)
    t.regex(stdout, /could not tell: /)
  }
  t.deepEqual(contents(), before)
  failed(t, here, ['log', 'stat', 'a.blk'], 2, /an array of blocks \(libpmemblk\), not a log/)
  failed(t, here, ['info', '.'], 2, /is a folder, and none of a journal/)
})

test('info tells beside a writer what it can', (t) => {
  const here = folder(t)
  const log = pmemlog.create(join(here, 'a.log'))
  const array = pmemblk.create(join(here, 'a.blk'))
  const events = journal.open(join(here, 'events'))
  const store = objects.open(join(here, 'a.store'), { root: () => ({}) })
  events.append('one')
  for (const name of ['a.log', 'a.blk', 'events', 'a.store']) {
    const known = JSON.parse(done(t, here, ['info', '--json', name])) as { locked?: true; header?: { uuid?: string } }
    if (known.locked) t.truthy(known.header?.uuid)
  }
  t.like(JSON.parse(done(t, here, ['info', '--json', 'a.store'])), { locked: true })
  t.is(call(here, ['check', 'a.store']).status, 2)
  for (const opened of [log, array, events, store]) opened.close()
})

test('whoever may read alone can look at everything', (t) => {
  const here = folder(t)
  done(t, here, ['log', 'create', 'a.log'])
  done(t, here, ['blk', 'create', 'a.blk'])
  done(t, here, ['journal', 'append', 'events', 'one'])
  done(t, here, ['objects', 'import', 'a.store'], '{"a":1}')
  if (process.getuid?.() !== 0 || !othersReach(join(here, 'a.log'), process.execPath, __filename)) return void t.pass('nobody else can be here')
  const names = ['a.log', 'a.blk', 'events', 'a.store']
  for (const name of [...names, ...readdirSync(join(here, 'events')).map((part) => join('events', part))]) chmodSync(join(here, name), statSync(join(here, name)).isFile() ? 0o444 : 0o755)
  chmodSync(here, 0o755)
  const nobody = (...args: string[]) => call(here, args, '', 65534)
  t.is(nobody('check', ...names).stdout, names.map((name) => `${name}: sound\n`).join(''))
  for (const name of names) t.is(nobody('info', name).status, 0, name)
  t.is(nobody('journal', 'cat', 'events').stdout, 'one\n')
  t.is(nobody('objects', 'export', '--json', 'a.store').stdout, '{"a":1}\n')
  t.regex(nobody('log', 'append', 'a.log', 'x').stderr, /EACCES/)
})

test('damage is told, with where it is', (t) => {
  const here = folder(t)
  const events = journal.open(join(here, 'events'))
  for (let index = 0; index < 10; index += 1) events.append(`record ${index} of ten`)
  events.close()
  const segment = join(here, 'events', readdirSync(join(here, 'events')).find((name) => name.endsWith('.seg'))!)
  overwrite(segment, readFileSync(segment).indexOf('record 3'), 'RECORD')
  const { status, stdout } = call(here, ['check', 'events'])
  t.is(status, 1)
  t.regex(stdout, /^events: damaged\n {2}.*\.seg, at \d+, record 3: /)

  objects.open(join(here, 'a.store'), { root: () => ({ text: 'a text that is looked for' }) }).close()
  const at = readFileSync(join(here, 'a.store')).lastIndexOf('a text that is looked for')
  overwrite(join(here, 'a.store'), at, 'A')
  const store = call(here, ['check', 'a.store'])
  t.is(store.status, 1)
  t.regex(store.stdout, /^a\.store: damaged\n {2}/)

  done(t, here, ['log', 'create', 'a.log'])
  overwrite(join(here, 'a.log'), 100, 'X')
  t.is(call(here, ['check', 'a.log']).status, 1)
  failed(t, here, ['log', 'cat', 'a.log'], 1, /a\.log/)
  truncateSync(join(here, 'a.log'), 4096)
  t.true([1, 2].includes(call(here, ['check', 'a.log']).status!))
})

test('enormous sparse files cost nothing', (t) => {
  const here = folder(t)
  writeFileSync(join(here, 'huge'), 'PMEMLOG\0')
  truncateSync(join(here, 'huge'), 2 ** 40)
  t.true([1, 2].includes(call(here, ['check', 'huge']).status!))
  t.is(call(here, ['info', 'huge']).stderr.split('\n').length, 2)
  writeFileSync(join(here, 'other'), '')
  truncateSync(join(here, 'other'), 2 ** 40)
  t.like(JSON.parse(done(t, here, ['info', '--json', 'other'])), { kind: 'bytes', size: 2 ** 40 })
})

test('doctor says what a place is', (t) => {
  const here = folder(t)
  const { package: known, machine, place, advice } = JSON.parse(done(t, here, ['doctor', '--json'])) as Record<string, Record<string, unknown>>
  t.true(Array.isArray(known!.engines) && typeof machine!.flushInstruction === 'string')
  t.is(place!.folder, here)
  t.is(typeof place!.isPmem, 'boolean')
  t.regex(place!.persist as string, /^\d+\.\d us for 64 bytes$/)
  t.true((advice as unknown as string[]).length > 0)
  t.deepEqual(readdirSync(here), [])
  t.regex(done(t, here, ['doctor', here]), /^package\n[^]*\nadvice\n {2}\S/)
  failed(t, here, ['doctor', 'missing'], 1, /ENOENT/)
})

function overwrite(path: string, at: number, text: string): void {
  const file = openSync(path, 'r+')
  writeSync(file, text, at)
  closeSync(file)
}
