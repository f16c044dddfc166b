import type { ExecutionContext } from 'ava'
import { capabilities } from 'pmem'
import { throws } from './errors.js'
import { mapped } from './files.js'

/**
 * A test that needs an ArrayBuffer over mapped memory. In a runtime that forbids them it asserts the refusal instead.
 */
export function external(body: (t: ExecutionContext) => unknown): (t: ExecutionContext) => Promise<void> {
  return async (t) => {
    if (capabilities.externalBuffers) {
      await body(t)
      return
    }
    const { region } = mapped(t)
    throws(t, 'ERR_PMEM_UNSUPPORTED', () => region.buffer)
    throws(t, 'ERR_PMEM_UNSUPPORTED', () => region.view(Uint8Array))
  }
}
