/** What log and block pools have in common: how they are made and opened. */

import { type Size, toBoolean, toInteger, toVersion } from '../shared/arguments.js'
import type { EngineName } from '../shared/capabilities.js'
import { wrongType, wrongValue } from '../shared/errors.js'
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
  /**
   * Changes are refused, and other readonly handles may be open elsewhere. A log may be open for writing too: in this process,
   * or on Linux in another one that has it open with this package. Default: false.
   */
  readonly?: boolean
  /**
   * How many bytes asynchronous calls may have waiting to be written, on all handles of the pool: one more is rejected at
   * once with `ERR_PMEM_BUSY`. Default: 64 MiB.
   */
  maxPending?: Size
  /** A pool that is missing is made, also where others start at the same time. Default: false. */
  create?: boolean
  /** With `create`: a new pool's size in bytes. Default: the smallest. */
  size?: Size
  /** With `create`: as in {@link CreateOptions}. */
  mode?: number
  /** With `create`: as in {@link CreateOptions}. */
  sparse?: boolean
}

const OPEN_OPTIONS: Names<OpenOptions> = {
  engine: true,
  readonly: true,
  maxPending: true,
  create: true,
  size: true,
  mode: true,
  sparse: true,
}

/** How often a pool is looked for that others make and remove. */
const ATTEMPTS = 100

/** How a pool is made: the native side's flags, and how many bytes may wait, where that is said. */
export function toCreateArguments(poolSize: Size, options: CreateOptions | undefined) {
  const { maxPending, ...making } = toOptions(options, CREATE_OPTIONS)
  return { flags: toPoolFlags(toInteger('poolSize', poolSize), making), maxPending: toMaxPending(maxPending) }
}

/** How a pool is opened, likewise; and how it is made where it is missing, unless that is an error. */
export function toOpenArguments(options: OpenOptions | undefined, minPool: number) {
  const { engine = 'auto', readonly = false, maxPending, create = false, size, ...making } = toOptions(options, OPEN_OPTIONS)
  const flags: [engine: string, readonly: boolean] = [toEngine(engine), toBoolean('readonly', readonly)]
  const opening = { flags, maxPending: toMaxPending(maxPending) }
  if (!toBoolean('create', create)) {
    const [name] = Object.entries({ size, ...making }).find(([, value]) => value !== undefined) ?? []
    if (name !== undefined) throw wrongValue(`options.${name}`, 'it needs create')
    return { ...opening, making: undefined }
  }
  if (readonly) throw wrongValue('options.readonly', 'a pool that is made is written')
  return { ...opening, making: toPoolFlags(toInteger('size', size ?? minPool, minPool), { engine, ...making }) }
}

function toPoolFlags(size: number, options: Omit<CreateOptions, 'maxPending'>) {
  const { mode = 0o666, engine = 'auto', sparse = false } = options
  return { size, mode: toInteger('mode', mode, 0, 0o7777), engine: toEngine(engine), sparse: toBoolean('sparse', sparse) }
}

/** Opens a pool, and makes it where it is missing and `create` says how: whoever else makes it, or removes it, meanwhile. */
export function openOrCreate<Info>(open: () => Info, create: (() => Info) | undefined): Info {
  if (create === undefined) return open()
  for (let attempt = 1; ; attempt += 1) {
    try {
      return open()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
    try {
      return create()
    } catch (error) {
      // EAGAIN: another thread of this process has made it, and has it open.
      const isThere = ['EEXIST', 'EAGAIN'].includes((error as NodeJS.ErrnoException).code ?? '')
      if (!isThere || attempt === ATTEMPTS) throw error
    }
  }
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
