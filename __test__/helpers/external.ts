import type { ExecutionContext } from 'ava'
import { capabilities, pmem } from 'pmem'
import { throws } from './errors.js'
import { file } from './files.js'

/**
 * A test that needs an ArrayBuffer over mapped memory. In a runtime that forbids them it asserts the refusal instead.
 */
export function external(body: (t: ExecutionContext) => unknown): (t: ExecutionContext) => Promise<void> {
  return async (t) => {
    if (capabilities.externalBuffers) {
      await body(t)
      return
    }
    const path = file(t)
    throws(t, 'ERR_PMEM_UNSUPPORTED', () => pmem.map(path, undefined, { memory: 'external' }))
  }
}
