/** The package as ES modules, and beside itself as CommonJS. */

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import * as pmem from 'pmem'
import * as blk from 'pmem/blk'
import * as journal from 'pmem/journal'
import * as log from 'pmem/log'
import destination from 'pmem/pino'
import { report } from './report.cjs'
import { smoke } from './smoke.cjs'

await smoke(pmem)
await report('ES modules and CommonJS are one package', () => {
  const require = createRequire(import.meta.url)
  assert.equal(require('pmem').pmem, pmem.pmem)
  assert.equal(require('pmem/log').create, log.create)
  assert.equal(pmem.pmemlog.create, log.create)
  assert.equal(pmem.pmemblk.create, blk.create)
  assert.equal(pmem.journal.open, journal.open)
  assert.equal(require('pmem/journal').Journal, journal.Journal)
  assert.equal(require('pmem/pino').default, destination)
})
