/** This package where it is installed: as ES modules and as CommonJS. What it does takes a server. */

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { journal } from 'pmem'
import { land, landed, ship } from 'pmem-nats'
import { report } from './report.cjs'

await report('ES modules and CommonJS are one package', () => {
  const required = createRequire(import.meta.url)('pmem-nats')
  assert.deepEqual([required.ship, required.land, required.landed], [ship, land, landed])
})
await report('a server is asked for', async () => {
  const records = journal.open(join(process.env.PMEM_TEST_DIR, 'installed.journal'))
  await assert.rejects(async () => ship(records, { stream: 'orders', subject: 'orders', cursor: 'nats' }), TypeError)
  records.close()
})
