// The package as ES modules and as CommonJS in one process.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { capabilities, pmem, pmemblk, pmemlog } from 'pmem'
import { BlockArray, create as createBlocks } from 'pmem/blk'
import { create as createLog } from 'pmem/log'
import { check } from '../lib/check.mjs'
import { file, text } from '../lib/files.mjs'

const cjs = createRequire(import.meta.url)('pmem')

check('modules: ES modules and CommonJS share functions and classes', () => {
  assert.equal(cjs.pmem, pmem)
  assert.equal(cjs.pmem.Region, pmem.Region)
  assert.equal(cjs.capabilities, capabilities)
  assert.equal(createLog, pmemlog.create)
  assert.equal(BlockArray, cjs.pmemblk.BlockArray)
  assert.equal(pmemblk.create, createBlocks)
})

check('modules: what one opens, the other uses and closes', () => {
  const path = file()
  const region = pmem.map(path)
  assert.ok(region instanceof cjs.pmem.Region)
  region.write('from ESM')
  cjs.pmem.persist(region, 0, 8)
  cjs.pmem.unmap(region)
  assert.throws(() => region.read(), { code: 'ERR_PMEM_CLOSED' })
  assert.equal(text(path, 8), 'from ESM')
})

check('modules: versions and capabilities', () => {
  assert.equal(pmem.checkVersion(1, 0), true)
  assert.throws(() => pmem.checkVersion(99, 0), { code: 'ERR_PMEM_VERSION' })
  assert.ok(capabilities.engines.includes('rust'))
  assert.equal(typeof capabilities.externalBuffers, 'boolean')
  if (process.env.PMEM_NO_EXTERNAL_BUFFERS === '1') assert.equal(capabilities.externalBuffers, false)
})
