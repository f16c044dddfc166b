/** Loads the native module, and explains where it cannot. */

import { arch, platform } from 'node:process'
import { PmemError } from './errors.js'

type Binding = typeof import('#binding')

function load(): Binding {
  try {
    // eslint-disable-next-line typescript/no-require-imports -- a failure must be caught here
    return require('#binding') as Binding
  } catch (cause) {
    const message =
      `pmem has no native module for ${platform}-${arch} here. It comes with the optional dependency ` +
      `pmem-${platform}-${arch}[-libc]: install without --omit=optional, on the platform that runs it.`
    throw new PmemError('ERR_PMEM_UNSUPPORTED', message, { cause })
  }
}

export const native = load()
