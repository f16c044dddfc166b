/** What log and block pools have in common: how they are made and opened. */

import { type Size, toBoolean, toInteger, toOptions, toVersion } from '../shared/arguments.js'
import type { EngineName } from '../shared/capabilities.js'
import { wrongType } from '../shared/errors.js'

/** What implements a pool: libpmemlog and libpmemblk, this package's own code, or what suits the file. */
export type Engine = 'auto' | EngineName

/** How a pool is made. */
export interface CreateOptions {
  /** The new file's permissions, subject to the umask. Default: 0o666. */
  mode?: number
  /** Default: `auto`. */
  engine?: Engine
  /** Blocks of the file are allocated when first written, not now. Default: false. */
  sparse?: boolean
  /** As in {@link OpenOptions}. */
  maxPending?: Size
}

/** How a pool is opened. */
export interface OpenOptions {
  /** Default: `auto`. */
  engine?: Engine
  /** Changes are refused, and other readonly handles may be open elsewhere. Default: false. */
  readonly?: boolean
  /**
   * How many bytes asynchronous calls may have waiting to be written, on all handles of the pool: one more is rejected at
   * once with `ERR_PMEM_BUSY`. Default: 64 MiB.
   */
  maxPending?: Size
}

export function toPoolFlags(poolSize: Size, options: CreateOptions | undefined) {
  const { mode = 0o666, engine = 'auto', sparse = false } = toOptions(options)
  return {
    size: toInteger('poolSize', poolSize),
    mode: toInteger('mode', mode, 0, 0o7777),
    engine: toEngine(engine),
    sparse: toBoolean('sparse', sparse),
  }
}

export function toOpenFlags(options: OpenOptions | undefined): [engine: string, readonly: boolean] {
  const { engine = 'auto', readonly = false } = toOptions(options)
  return [toEngine(engine), toBoolean('readonly', readonly)]
}

/** Whether this build provides a version of a library's interface, which `check` throws where it does not. */
export function provides(check: (major: number, minor: number) => void, major: number, minor: number): true {
  check(...toVersion(major, minor))
  return true
}

/** How many bytes may wait, where that is said. */
export function toMaxPending(options: OpenOptions | CreateOptions | undefined): number | undefined {
  const { maxPending } = toOptions(options)
  return maxPending === undefined ? undefined : toInteger('maxPending', maxPending)
}

function toEngine(engine: Engine): string {
  if (typeof engine === 'string') return engine
  throw wrongType('engine', 'a string', engine)
}
