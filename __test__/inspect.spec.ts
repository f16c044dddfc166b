/** What objects say of themselves: their properties, and what console.log shows. */

import { closeSync, openSync, truncateSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import test from 'ava'
import { pmem, pmemblk, pmemlog } from 'pmem'
import { throws } from './helpers/errors.js'
import { file, folder } from './helpers/files.js'
import { linux } from './helpers/linux.js'
import { eachEngine } from './helpers/pools.js'

const shown = (object: object) => inspect(object, { breakLength: Infinity })

test('a region', (t) => {
  const path = file(t)
  const region = pmem.map(path, undefined, { readonly: true })
  region.seek(7)
  const { isPmem } = region
  const form = `Region { path: '${path}', byteLength: 4096, readonly: true, isPmem: ${isPmem}, position: 7 }`
  t.is(shown(region), form)
  t.is(shown(new pmem.DrainContext(region)), `DrainContext { region: ${form} }`)
  region.close()
  t.is(shown(region), `Region { path: '${path}', closed: true }`)
  t.is(region.path, path)
  t.true(region.readonly)
  throws(t, { code: 'ERR_PMEM_CLOSED', says: `the region '${path}' is closed` }, () => region.read())
})

test('the path of a region is what was given', (t) => {
  const path = file(t)
  const descriptor = openSync(path, 'r+')
  const regions: [pmem.Region, string | undefined][] = [
    [pmem.map(pathToFileURL(path)), path],
    [pmem.map(Buffer.from(path)), path],
    [pmem.mapFile(path), path],
    [pmem.mapFile(`${path}.new`, { create: true, length: 4096 }), `${path}.new`],
    [pmem.mapFile(dirname(path), { tmpfile: true, length: 4096 }), undefined],
    [pmem.map(descriptor), undefined],
    [pmem.map({ fd: descriptor }), undefined],
  ]
  closeSync(descriptor)
  for (const [region, expected] of regions) {
    t.is(region.path, expected)
    t.false(region.readonly)
    region.close()
    throws(t, { code: 'ERR_PMEM_CLOSED', says: expected === undefined ? 'the region is closed' : expected }, () => region.read())
  }
})

linux('a region of which a page was lost can still be shown', (t) => {
  const path = file(t)
  const region = pmem.map(path)
  truncateSync(path, 0)
  throws(t, { code: 'ERR_PMEM_FAULT', path }, () => region.read())
  t.is(shown(region), `Region { path: '${path}', unusable: 'ERR_PMEM_FAULT' }`)
  region.close()
})

eachEngine('a log', async (t, engine) => {
  const path = `${folder(t)}/log`
  const log = pmemlog.create(path, undefined, { engine })
  log.append('1234567890')
  t.is(log.free, log.nbyte() - 10)
  t.is(log.pending, 0)
  t.is(shown(log), `Log { path: '${path}', readonly: false, engine: '${engine}', tell: 10, nbyte: 2088960, pending: 0 }`)
  const appended = [log.appendAsync('1234'), log.appendAsync('56')]
  t.is(log.pending, 6)
  await Promise.all(appended)
  t.is(log.pending, 0)
  t.is(log.tell(), 16)
  log.close()
  t.is(shown(log), `Log { path: '${path}', closed: true }`)
  throws(t, { code: 'ERR_PMEM_CLOSED', says: `the log '${path}' is closed` }, () => log.tell())
  const readonly = pmemlog.open(path, { readonly: true })
  t.true(readonly.readonly)
  t.is(readonly.path, path)
  readonly.close()
})

eachEngine('an array', async (t, engine) => {
  const path = `${folder(t)}/blocks`
  const blocks = pmemblk.create(path, 512, undefined, { engine })
  const nblock = blocks.nblock()
  t.is(
    shown(blocks),
    `BlockArray { path: '${path}', readonly: false, engine: '${engine}', bsize: 512, nblock: ${nblock}, pending: 0 }`,
  )
  const written = blocks.writeAsync('x', 0)
  t.is(blocks.pending, 512)
  await written
  t.is(blocks.pending, 0)
  t.is(blocks.path, path)
  blocks.close()
  t.is(shown(blocks), `BlockArray { path: '${path}', closed: true }`)
  throws(t, { code: 'ERR_PMEM_CLOSED', says: basename(path) }, () => blocks.read(0))
  const readonly = pmemblk.open(path, 0, { readonly: true })
  t.true(readonly.readonly)
  readonly.close()
})
