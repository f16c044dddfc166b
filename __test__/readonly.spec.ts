import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import test from 'ava'
import { pmem } from 'pmem'
import { rejects, throws } from './helpers/errors.js'
import { file, mapped } from './helpers/files.js'

const readonly = { readonly: true }

test('reading', (t) => {
  const { region } = mapped(t, 'only to read', readonly)
  t.is(region.read(4).toString(), 'only')
  region.seek(8)
  t.is(region.read().toString(), 'read')
  t.is(region.byteLength, 12)
})

test('by path, by descriptor and with mapFile', (t) => {
  const path = file(t, 'only to read')
  const descriptor = openSync(path, 'r')
  t.teardown(() => closeSync(descriptor))
  const named = { code: 'EACCES', path }
  const regions = [
    [pmem.map(path, 4, readonly), named],
    [pmem.mapFile(path, { length: 4, ...readonly }), named],
    [pmem.map(descriptor, 4, readonly), 'EACCES'],
  ] as const
  for (const [region, refused] of regions) {
    t.is(region.read().toString(), 'only')
    region.seek(0)
    throws(t, refused, () => region.write('x'))
    region.close()
  }
})

test('every way to write is refused', async (t) => {
  const { path, region } = mapped(t, 'only to read', readonly)
  const refused = { code: 'EACCES', path }
  throws(t, refused, () => region.write('x'))
  throws(t, refused, () => region.write(''))
  throws(t, refused, () => region.copyFrom('x'))
  throws(t, refused, () => region.copyFrom('x', 0, { durable: false }))
  throws(t, refused, () => region.fill(0))
  throws(t, refused, () => region.fill(0, 0, 1, { durable: false }))
  throws(t, refused, () => region.persist())
  throws(t, refused, () => region.persist(0, 0))
  throws(t, refused, () => region.flush())
  throws(t, refused, () => region.msync())
  throws(t, refused, () => region.persistMany([[0, 1]]))
  await rejects(t, refused, () => region.persistAsync())
  throws(t, refused, () => pmem.persist(region))
  throws(t, refused, () => pmem.flush(region))
  throws(t, refused, () => pmem.msync(region))
  t.is(region.position, 0)
  t.is(region.read().toString(), 'only to read')
  t.is(readFileSync(path, 'utf8'), 'only to read')
})

test('draining has nothing to refuse', (t) => {
  const { region } = mapped(t, 4096, readonly)
  t.notThrows(() => region.drain())
  t.notThrows(() => pmem.drain(region))
})

test('a store through a view stays in the mapping', (t) => {
  const { path, region } = mapped(t, 'only to read', readonly)
  const view = region.view(Uint8Array)
  view.fill(0x78)
  t.is(region.read().toString(), 'xxxxxxxxxxxx')
  const other = pmem.map(path)
  t.is(other.read().toString(), 'only to read')
  other.close()
  region.close()
  t.is(readFileSync(path, 'utf8'), 'only to read')
})

test('what others write is seen', (t) => {
  const { path, region } = mapped(t, 'before', readonly)
  t.is(region.read().toString(), 'before')
  writeFileSync(path, 'behind', { flag: 'r+' })
  region.seek(0)
  t.is(region.read().toString(), 'behind')
})

test('disposing does not persist, and closes', (t) => {
  const { path, region } = mapped(t, 'only to read', readonly)
  {
    using scoped = region
    t.is(scoped.read(4).toString(), 'only')
  }
  t.true(region.closed)
  t.is(readFileSync(path, 'utf8'), 'only to read')
})

test('isPmem is that of the file', (t) => {
  const { path, region } = mapped(t)
  const other = pmem.map(path, undefined, readonly)
  t.is(other.isPmem, region.isPmem)
  other.close()
})
