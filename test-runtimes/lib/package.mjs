// What the suite asks of the package before it checks anything.
import assert from 'node:assert/strict'
import { capabilities, pmem } from 'pmem'
import { check } from './check.mjs'
import { file } from './files.mjs'

/** Whether a view may lie over mapped memory here, in whatever way. */
export const hasViews = capabilities.externalBuffers || capabilities.wasmMemory

/** Whether the memory of a buffer can be moved to another one, which then is the mapping's. */
export const canMove = capabilities.externalBuffers && typeof ArrayBuffer.prototype.transfer === 'function'

/** A check that needs views. Where there are none it checks the refusal instead. */
export function checkViews(name, body) {
  check(name, hasViews ? body : refuses)
}

function refuses() {
  const region = pmem.map(file())
  assert.throws(() => region.view(Uint8Array), { code: 'ERR_PMEM_UNSUPPORTED' })
  assert.throws(() => region.buffer, { code: 'ERR_PMEM_UNSUPPORTED' })
  region.close()
}
