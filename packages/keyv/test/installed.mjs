/** This package where it is installed: as ES modules and as CommonJS, and entries that are there when it is opened again. */

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Keyv } from 'keyv'
import { KeyvPmem } from 'pmem-keyv'
import { report } from './report.cjs'

await report('ES modules and CommonJS are one package', () => {
  assert.equal(createRequire(import.meta.url)('pmem-keyv').KeyvPmem, KeyvPmem)
})
await report('what was set is there when it is opened again', async () => {
  const path = join(process.env.PMEM_TEST_DIR, 'installed.keyv')
  const open = () => new Keyv(new KeyvPmem(path))
  const first = open()
  await first.set('ada', { visits: 1 }, 60_000)
  await first.disconnect()
  const again = open()
  assert.deepEqual(await again.get('ada'), { visits: 1 })
  await again.disconnect()
})
