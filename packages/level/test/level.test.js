// What the suites do not ask: durability, crashes, who else has it open, and what is wrong with a location.
const { execFile, spawn } = require('node:child_process')
const { once } = require('node:events')
const { mkdirSync, readFileSync, writeFileSync } = require('node:fs')
const { join } = require('node:path')
const { promisify } = require('node:util')
const { Worker } = require('node:worker_threads')
const { ClassicLevel } = require('classic-level')
const { objects } = require('pmem')
const { PmemLevel } = require('pmem-level')
const test = require('tape')
const { location } = require('./folder.js')

/** Starts a program of programs.js; `lines` are what it has printed. */
function start(...args) {
  const child = spawn(process.execPath, [join(__dirname, 'programs.js'), ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const lines = []
  let rest = ''
  child.stdout.on('data', (chunk) => {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop()
    lines.push(...parts)
  })
  const printed = async (count) => {
    while (lines.length < count) await once(child.stdout, 'data')
  }
  const kill = async () => {
    child.kill('SIGKILL')
    await once(child, 'close')
  }
  return { lines, printed, kill }
}

/** The code of why opening fails. */
const refusal = async (db) => db.open().then(() => undefined, ({ code, cause }) => `${code}: ${cause.code}`)

/** Counts how often a store is asked for durability, as long as `work` takes. */
async function durableWrites(work) {
  const { flushed } = objects.Store.prototype
  let count = 0
  objects.Store.prototype.flushed = function counted() {
    count += 1
    return flushed.call(this)
  }
  await work().finally(() => (objects.Store.prototype.flushed = flushed))
  return count
}

test('each change waits for durability, unless sync is false', async (t) => {
  const db = new PmemLevel(location())
  await db.open()
  const changes = (options) => [
    () => db.put('a', '1', options),
    () => db.batch([{ type: 'put', key: 'b', value: '2' }], options),
    () => db.batch().put('c', '3').write(options),
    () => db.sublevel('s').put('d', '4', options),
    () => db.del('a', options),
    () => db.clear(options),
  ]
  for (const change of changes()) t.equal(await durableWrites(change), 1, `by default: ${change}`)
  for (const change of changes({ sync: true })) t.equal(await durableWrites(change), 1, `sync: ${change}`)
  for (const change of changes({ sync: false })) t.equal(await durableWrites(change), 0, `not sync: ${change}`)
  t.equal(await durableWrites(() => db.close()), 1, 'close')
})

for (const sync of [true, false]) {
  test(`what a killed process was told, sync: ${sync}, is there; a batch is there or not`, async (t) => {
    const path = location()
    const { lines, printed, kill } = start('write', path, `${sync}`)
    await printed(20)
    await kill()
    const db = new PmemLevel(path)
    const count = Number(lines.at(-1)) + 1
    const keys = await db.keys().all()
    const [a, b] = ['a', 'b'].map((letter) => keys.filter((key) => key.startsWith(letter)).map((key) => key.slice(1)))
    t.ok(a.length === count || a.length === count + 1, `${a.length} of ${count}`)
    t.deepEqual(a, b)
    await db.close()
  })
}

test('a database that another process has open', async (t) => {
  const path = location()
  const { printed, kill } = start('hold', path)
  await printed(1)
  const db = new PmemLevel(path)
  t.equal(await refusal(db), 'LEVEL_DATABASE_NOT_OPEN: LEVEL_LOCKED')
  await kill()
  await db.open()
  await db.close()
})

test('two databases of one process, and one of a worker, at the same location share it', async (t) => {
  const path = location()
  const [one, two] = [new PmemLevel(path), new PmemLevel(path)]
  await one.put('a', '1')
  t.equal(await two.get('a'), '1')
  const worker = new Worker(`const { PmemLevel } = require(${JSON.stringify(require.resolve('pmem-level'))})
    const db = new PmemLevel(${JSON.stringify(path)})
    db.put('b', '2').then(() => db.close())`, { eval: true })
  await once(worker, 'exit')
  t.equal(await one.get('b'), '2')
  await one.close()
  t.equal(two.getSync('b'), '2')
  await two.close()
})

test('it is as it was after closing and opening', async (t) => {
  const db = new PmemLevel(location(), { valueEncoding: 'json' })
  await db.sublevel('s', { valueEncoding: 'json' }).put('a', { b: [1, null] })
  await db.close()
  await db.open()
  t.deepEqual(await db.sublevel('s', { valueEncoding: 'json' }).get('a'), { b: [1, null] })
  await db.close()
})

test('keys have the order of their bytes', async (t) => {
  const db = new PmemLevel(location(), { keyEncoding: 'buffer' })
  const keys = ['', '00', '0000', '0001', '01', '7f', '80', '8000', 'c3bf', 'f09f9880', 'ff', 'ffff']
  await db.batch(keys.toReversed().map((key) => ({ type: 'put', key: Buffer.from(key, 'hex'), value: key })))
  t.deepEqual(await db.keys({ keyEncoding: 'hex' }).all(), keys)
  t.deepEqual(await db.values({ gt: Buffer.from('7f', 'hex'), lte: Buffer.from('ff', 'hex'), reverse: true }).all(), ['ff', 'f09f9880', 'c3bf', '8000', '80'])
  await db.close()
})

test('an iterator keeps to what was there, lets others write, and gives back what it kept', async (t) => {
  const path = location()
  const db = new PmemLevel(path)
  await db.batch(Array.from({ length: 1000 }, (_, index) => ({ type: 'put', key: `${index}`, value: 'old' })))
  const store = objects.open(join(path, 'level.store'), { durability: 'group' })
  const iterator = db.iterator()
  const snapshot = db.snapshot()
  t.equal((await iterator.next())[1], 'old')
  t.equal(store.stats().snapshots, 2)
  await db.clear()
  await db.put('0', 'new')
  t.equal((await iterator.all()).length, 999)
  t.equal(await db.get('0', { snapshot }), 'old')
  await db.clear({ snapshot })
  t.equal(await db.get('0'), undefined)
  await snapshot.close()
  t.equal(store.stats().snapshots, 0)
  store.close()
  await db.close()
})

test('what is cleared by a snapshot is what that has', async (t) => {
  const db = new PmemLevel(location())
  await db.put('a', '1')
  const snapshot = db.snapshot()
  await db.batch([{ type: 'del', key: 'a' }, { type: 'put', key: 'b', value: '2' }])
  await db.clear({ snapshot })
  t.deepEqual(await db.keys().all(), ['b'])
  await db.close()
})

test('a batch that fails changes nothing', async (t) => {
  const db = new PmemLevel(location())
  await db.put('a', '1')
  const tooLong = 'x'.repeat(2 ** 26)
  await db.batch([{ type: 'del', key: 'a' }, { type: 'put', key: tooLong, value: '' }]).then(() => t.fail('it is refused'), ({ code }) => t.ok(code, code))
  t.deepEqual(await db.iterator().all(), [['a', '1']])
  await db.close()
})

test('a closed database', async (t) => {
  const db = new PmemLevel(location())
  await db.open()
  const iterator = db.iterator()
  await db.close()
  const code = async (work) => work().then(() => undefined, (error) => error.code)
  t.equal(await code(() => db.put('a', '1')), 'LEVEL_DATABASE_NOT_OPEN')
  t.equal(await code(() => db.get('a')), 'LEVEL_DATABASE_NOT_OPEN')
  t.equal(await code(() => iterator.next()), 'LEVEL_ITERATOR_NOT_OPEN')
  t.throws(() => db.getSync('a'), { code: 'LEVEL_DATABASE_NOT_OPEN' })
})

test('wrong locations', async (t) => {
  for (const wrong of [undefined, '', 5, {}]) t.throws(() => new PmemLevel(wrong), /'location' must be a non-empty string/)
  const file = location()
  writeFileSync(file, '')
  t.match(await refusal(new PmemLevel(file)), /^LEVEL_DATABASE_NOT_OPEN: (ENOTDIR|EEXIST)$/)
  t.equal(await refusal(new PmemLevel(location(), { createIfMissing: false })), 'LEVEL_DATABASE_NOT_OPEN: LEVEL_MISSING')
})

test('a database of LevelDB is left alone', async (t) => {
  const path = location()
  const classic = new ClassicLevel(path)
  await classic.put('a', '1')
  await classic.close()
  t.equal(await refusal(new PmemLevel(path)), 'LEVEL_DATABASE_NOT_OPEN: LEVEL_FOREIGN')
  t.equal(await classic.open().then(() => classic.get('a')), '1')
  await classic.close()
})

test('a store of something else is left alone', async (t) => {
  for (const root of [{ level: 1 }, { users: {} }]) {
    const path = location()
    mkdirSync(path)
    objects.open(join(path, 'level.store'), { root: () => root }).close()
    t.equal(await refusal(new PmemLevel(path)), 'LEVEL_DATABASE_NOT_OPEN: LEVEL_FOREIGN')
    const store = objects.open(join(path, 'level.store'))
    t.deepEqual(objects.toPlain(store.root), root)
    store.close()
  }
})

test('a damaged file', async (t) => {
  const db = new PmemLevel(location())
  await db.put('a', '1')
  await db.close()
  const file = join(db.location, 'level.store')
  const bytes = readFileSync(file)
  bytes.fill(0xa5, 0, 8192)
  writeFileSync(file, bytes)
  t.equal(await refusal(db), 'LEVEL_DATABASE_NOT_OPEN: ERR_PMEM_CORRUPT')
  t.ok(bytes.equals(readFileSync(file)), 'it is as it was')
})

test('the examples of the README', async (t) => {
  const { runExamples } = await import('../../../scripts/lib/readme.mjs')
  const where = location()
  mkdirSync(where)
  for (const { code, expected, output } of await runExamples(join(__dirname, '..'), where)) t.equal(output, expected, code)
})

test('the example does the same on pmem-level and on classic-level, and prints both times', async (t) => {
  const where = location()
  mkdirSync(where)
  const { stdout } = await promisify(execFile)(process.execPath, [join(__dirname, '../examples/orders.mjs'), where, '100'])
  const [, ours, classic] = /^PmemLevel: (.*), in \d+ ms\nClassicLevel: (.*), in \d+ ms\n$/.exec(stdout) ?? []
  t.equal(ours, '37 orders of 191700 cents, 4 paid')
  t.equal(classic, ours)
})
