/** This package where it is installed: as ES modules and as CommonJS, and a database that is opened again. */

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { PmemLevel } from 'pmem-level'
import { report } from './report.cjs'

await report('ES modules and CommonJS are one package', () => {
  assert.equal(createRequire(import.meta.url)('pmem-level').PmemLevel, PmemLevel)
})
await report('what was put into a database is there when it is opened again', async () => {
  const db = new PmemLevel(join(process.env.PMEM_TEST_DIR, 'installed.level'))
  await db.batch([{ type: 'put', key: 'b', value: '2' }, { type: 'put', key: 'a', value: '1' }])
  await db.close()
  await db.open()
  assert.deepEqual(await db.iterator().all(), [['a', '1'], ['b', '2']])
  await db.close()
})
