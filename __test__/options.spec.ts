/** Options that no call has: misspelt ones would otherwise do nothing, in silence. */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { pmem, pmemblk, pmemlog } from 'pmem'
import { throws } from './helpers/errors.js'
import { file, folder, mapped } from './helpers/files.js'

test('a misspelt option is refused, and the nearest one is named', (t) => {
  const path = file(t)
  const [log, blocks] = [pmemlog.create(`${path}.log`), pmemblk.create(`${path}.blk`)]
  const { region } = mapped(t)
  t.teardown(() => (log.close(), blocks.close()))
  const missing = join(folder(t), 'missing')
  const cases: [given: string, nearest: string, call: (options: never) => unknown][] = [
    ['readOnly', 'readonly', (options) => pmem.mapFile(path, options)],
    ['byteLength', 'length', (options) => pmem.mapFile(path, options)],
    ['maxlength', 'maxLength', (options) => pmem.map(path, undefined, options)],
    ['creat', 'create', (options) => pmem.mapFile(missing, options)],
    ['permissions', 'mode', (options) => pmem.mapFile(missing, options)],
    ['readOnly', 'readonly', (options) => pmem.map(path, undefined, options)],
    ['ofset', 'offset', (options) => pmem.map(path, undefined, options)],
    ['readOnly', 'readonly', (options) => pmemlog.open(`${path}.log`, options)],
    ['Engine', 'engine', (options) => pmemlog.create(missing, undefined, options)],
    ['maxpending', 'maxPending', (options) => pmemlog.create(missing, undefined, options)],
    ['readOnly', 'readonly', (options) => pmemblk.open(`${path}.blk`, 0, options)],
    ['spares', 'sparse', (options) => pmemblk.create(missing, undefined, undefined, options)],
    ['durabel', 'durable', (options) => region.copyFrom('x', 0, options)],
    ['durabel', 'durable', (options) => region.fill(1, 0, 1, options)],
    ['unMap', 'unmap', (options) => new pmem.FlushContext(region, options)],
    ['highwatermark', 'highWaterMark', (options) => log.createReadStream(options)],
    ['highwatermark', 'highWaterMark', (options) => log.createWriteStream(options)],
  ]
  for (const [given, nearest, call] of cases) {
    const act = () => call({ [given]: true } as never)
    throws(t, { code: 'ERR_INVALID_ARG_VALUE', says: `"options.${given}"` }, act, given)
    if (given !== 'permissions') throws(t, { code: 'ERR_INVALID_ARG_VALUE', says: `Did you mean ${nearest}?` }, act, given)
  }
  t.false(existsSync(missing))
  t.deepEqual(readFileSync(path), Buffer.alloc(4096))
})

test('options may be inherited, and absent ones undefined', (t) => {
  const path = file(t)
  const region = pmem.mapFile(path, Object.create({ readonly: true, offset: undefined }) as pmem.MapFileOptions)
  throws(t, { code: 'EACCES', path }, () => region.persist())
  region.close()
  throws(t, 'ERR_INVALID_ARG_VALUE', () => pmem.mapFile(path, Object.create({ readOnly: true }) as pmem.MapFileOptions))
})
