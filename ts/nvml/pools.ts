/** What log and block pools have in common: how they are made and opened. */

import { type Size, toBoolean, toInteger, toVersion } from '../shared/arguments.js'
import type { EngineName } from '../shared/capabilities.js'
import { wrongType } from '../shared/errors.js'
import { type Names, toOptions } from '../shared/options.js'

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

const CREATE_OPTIONS: Names<CreateOptions> = { mode: true, engine: true, sparse: true, maxPending: true }

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

const OPEN_OPTIONS: Names<OpenOptions> = { engine: true, readonly: true, maxPending: true }

/** How a pool is made: the native side's flags, and how many bytes may wait, where that is said. */
export function toCreateArguments(poolSize: Size, options: CreateOptions | undefined) {
  const { mode = 0o666, engine = 'auto', sparse = false, maxPending } = toOptions(options, CREATE_OPTIONS)
  const flags = {
    size: toInteger('poolSize', poolSize),
    mode: toInteger('mode', mode, 0, 0o7777),
    engine: toEngine(engine),
    sparse: toBoolean('sparse', sparse),
  }
  return { flags, maxPending: toMaxPending(maxPending) }
}

/** How a pool is opened, likewise. */
export function toOpenArguments(options: OpenOptions | undefined) {
  const { engine = 'auto', readonly = false, maxPending } = toOptions(options, OPEN_OPTIONS)
  const flags: [engine: string, readonly: boolean] = [toEngine(engine), toBoolean('readonly', readonly)]
  return { flags, maxPending: toMaxPending(maxPending) }
}

/** Whether this build provides a version of a library's interface, which `check` throws where it does not. */
export function provides(check: (major: number, minor: number) => void, major: number, minor: number): true {
  check(...toVersion(major, minor))
  return true
}

function toMaxPending(maxPending: Size | undefined): number | undefined {
  return maxPending === undefined ? undefined : toInteger('maxPending', maxPending)
}

function toEngine(engine: Engine): string {
  if (typeof engine === 'string') return engine
  throw wrongType('engine', 'a string', engine)
}
