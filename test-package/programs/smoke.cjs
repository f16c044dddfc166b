/**
 * What the package does, in short, on whatever platform this runs. As a program it loads the package by `require`. The
 * environment variable PMEM_EXPECT_ENGINES has the engines that must be there.
 */

const assert = require('node:assert/strict')
const fs = require('node:fs')
const os = require('node:os')
const { join } = require('node:path')
const { remove, report } = require('./report.cjs')

const engines = (process.env.PMEM_EXPECT_ENGINES ?? '').split(',')

/** Runs every check over the package, loaded in whatever way. */
async function smoke({ capabilities, journal, pmem, pmemblk, pmemlog }) {
  const folder = fs.mkdtempSync(join(process.env.PMEM_TEST_DIR ?? os.tmpdir(), 'pmem-smoke-'))
  const path = (name) => join(folder, name)
  await report('the engines of this platform', () => {
    assert.deepEqual(capabilities.engines.toSorted(), engines)
    assert.equal(typeof capabilities.pmdk, engines.includes('pmdk') ? 'string' : 'object')
  })
  await report('no library of PMDK is loaded', () => {
    if (fs.existsSync('/proc/self/maps')) assert.doesNotMatch(fs.readFileSync('/proc/self/maps', 'utf8'), /libpmem|libndctl/)
  })
  await report('a region: stores, views, persisting', () => regions(pmem, capabilities, path('region')))
  await report('a region by descriptor', () => descriptors(pmem, path('descriptor')))
  await report('a readonly region', () => readonly(pmem, path('readonly')))
  await report('a name that is not ASCII', () => pmem.mapFile(path('größe-日本'), { length: 4096, create: true }).close())
  for (const engine of engines) {
    await report(`a log with ${engine}`, () => logs(pmemlog, path(`log-${engine}`), engine))
    await report(`blocks with ${engine}`, () => blocks(pmemblk, path(`blk-${engine}`), engine))
  }
  await report('a journal: records, followers, cursors', () => records(journal, path('journal')))
  await report('a damaged pool is refused', () => damage(pmemlog, path('damaged')))
  await report('its files can be removed', () => remove(folder))
}

async function regions(pmem, { externalBuffers }, path) {
  const region = pmem.mapFile(path, { length: 8192, create: true })
  region.write('first')
  region.persist(0, 5)
  if (externalBuffers) region.view(Int32Array, 4096, 1)[0] = 0x64636261
  await region.persistAsync()
  region.copyFrom('copied', 100)
  region.fill(0x7a, 200, 203)
  region.seek(0)
  assert.equal(region.read(5).toString(), 'first')
  region.close()
  assert.throws(() => region.read(1), { code: 'ERR_PMEM_CLOSED' })
  const bytes = fs.readFileSync(path)
  assert.equal(bytes.length, 8192)
  assert.equal(bytes.toString('latin1', 0, 5), 'first')
  assert.equal(bytes.toString('latin1', 100, 106), 'copied')
  assert.equal(bytes.toString('latin1', 200, 204), 'zzz\0')
  if (externalBuffers) assert.equal(bytes.toString('latin1', 4096, 4100), 'abcd')
  assert.throws(() => pmem.map(`${path}-missing`), { code: 'ENOENT', syscall: 'open' })
}

async function descriptors(pmem, path) {
  fs.writeFileSync(path, Buffer.alloc(4096))
  const file = fs.openSync(path, 'r+')
  const region = pmem.map(file, 4096)
  region.write('by descriptor')
  region.persist()
  region.close()
  fs.closeSync(file)
  assert.throws(() => pmem.map(file, 4096), { code: 'EBADF' })
  const handle = await fs.promises.open(path, 'r+')
  closing(pmem.map(handle), (other) => assert.equal(other.read(13).toString(), 'by descriptor'))
  await handle.close()
}

function readonly(pmem, path) {
  fs.writeFileSync(path, 'as it was')
  closing(pmem.map(path, undefined, { readonly: true }), (region) => {
    assert.equal(region.read().toString(), 'as it was')
    assert.throws(() => region.write('x'))
  })
  assert.equal(fs.readFileSync(path, 'utf8'), 'as it was')
}

async function logs(pmemlog, path, engine) {
  const log = pmemlog.create(path, undefined, { engine })
  assert.equal(log.engine, engine)
  assert.equal(log.nbyte(), 2088960)
  log.append('one,')
  log.appendv(['two', ','])
  log.appendMany(['three,', 'four,'])
  await Promise.all(['five,', 'six,'].map((text) => log.appendAsync(text)))
  assert.throws(() => log.append(Buffer.alloc(3 << 20)), { code: 'ENOSPC' })
  log.close()
  for (const other of engines) {
    closing(pmemlog.open(path, { engine: other }), (again) => {
      again.walk((data) => assert.equal(data.toString(), 'one,two,three,four,five,six,'))
    })
  }
  assert.equal(pmemlog.check(path), true)
  closing(pmemlog.open(path, { readonly: true }), (again) => assert.equal(again.read(4, 3).toString(), 'two'))
  closing(pmemlog.open(path, { engine }), (again) => {
    again.rewind()
    assert.equal(again.tell(), 0)
  })
}

async function blocks(pmemblk, path, engine) {
  const array = pmemblk.create(path, 512, undefined, { engine })
  assert.equal(array.engine, engine)
  array.write('a block', 20)
  await array.writeAsync('another', 21)
  array.writeMany(30, Buffer.alloc(1024, 'x'))
  array.setError(22)
  assert.throws(() => array.read(22), { code: 'EIO' })
  array.setZero(22)
  array.close()
  for (const other of engines) {
    closing(pmemblk.open(path, 512, { engine: other }), (again) => {
      assert.equal(again.readText(20), 'a block')
      assert.equal(again.readMany(20, 2).toString('latin1', 512, 519), 'another')
      assert.equal(again.readText(22), '')
      assert.equal(again.readText(31), 'x'.repeat(512))
    })
  }
  assert.equal(pmemblk.check(path), true)
}

async function records(journal, path) {
  const events = journal.open(path)
  assert.equal(events.append('one'), 0)
  assert.equal(events.appendMany(['two', 'three']), 1)
  assert.deepEqual(await Promise.all(['four', 'five'].map((text) => events.appendAsync(text))), [3, 4])
  assert.throws(() => events.append('x', { expected: 0 }), { code: 'ERR_PMEM_CONFLICT' })
  const next = events.follow({ from: 5 }).next()
  setTimeout(() => events.append('six'), 10)
  assert.equal((await next).value.text(), 'six')
  const seen = []
  await events.consume('worker', async (record) => {
    if (seen.push(record.text()) === 6) setTimeout(() => events.close(), 10)
  })
  const all = ['one', 'two', 'three', 'four', 'five', 'six']
  assert.deepEqual(seen, all)
  assert.equal(journal.check(path).sound, true)
  closing(journal.open(path), (again) => {
    assert.deepEqual(Array.from(again, (record) => record.text()), all)
    assert.equal(again.cursor('worker').position, 6)
    again.truncateBefore(6)
    assert.equal(again.first, 6)
  })
}

function damage(pmemlog, path) {
  pmemlog.create(path).close()
  const file = fs.openSync(path, 'r+')
  fs.writeSync(file, 'damage', 40)
  fs.closeSync(file)
  assert.throws(() => pmemlog.open(path), { code: 'ERR_PMEM_CORRUPT' })
  assert.equal(pmemlog.check(path), false)
}

function closing(resource, work) {
  try {
    work(resource)
  } finally {
    resource.close()
  }
}

module.exports = { smoke }
if (require.main === module) smoke(require('pmem'))
