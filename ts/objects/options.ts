/** The options of stores, and their checks. */

import { isMainThread, threadId } from 'node:worker_threads'
import { type Size, toBoolean, toInteger } from '../shared/arguments.js'
import { wrongType, wrongValue } from '../shared/errors.js'
import { type Names, toOptions } from '../shared/options.js'
import { Classes, type PersistentClass } from './classes.js'
import type { Store } from './store.js'

/** How a store is opened. */
export interface OpenOptions<R = unknown> {
  /**
   * What a new store's root is: it is called where there is none yet, and what it returns is copied in. It gets the store, to make
   * sorted maps by.
   */
  root?: (store: Store<null>) => R
  /** A store is made where there is none. Default: true, unless it is readonly. */
  create?: boolean
  /** Changes are refused. Default: false. */
  readonly?: boolean
  /** The classes whose instances are stored, by the names under which they are. */
  classes?: Readonly<Record<string, PersistentClass>>
  /** The permissions of a new file, subject to the umask. Default: 0o666. */
  mode?: number
  /**
   * With 'commit', what a transaction changed is durable once it returns. With 'group', it survives the end of the process then, and
   * a power failure once `flushed()` resolves, in the order of the transactions. Default: 'commit'.
   */
  durability?: 'commit' | 'group'
  /** How long a change waits for the transaction of another thread, in milliseconds, before it throws `ERR_PMEM_BUSY`. Default: 5000. */
  busyTimeout?: Size
  /**
   * How large the file may become, in bytes; that of a new store at least 17,379,328. Default: no limit, or where the store is open in this
   * process already, that of the others. Another one than theirs is refused, with `ERR_INVALID_ARG_VALUE`, as another `durability` is.
   */
  maxSize?: Size
  /** The version of what is stored, by the program's own count. A store of a later one is refused. Default: 0. */
  version?: number
  /** Brings a store of an earlier version up to date, in one transaction. */
  // oxlint-disable-next-line typescript/no-explicit-any -- what it holds is of the earlier version
  upgrade?: (store: Store<any>, from: number) => void
}

const OPEN_OPTIONS: Names<OpenOptions> = {
  root: true,
  create: true,
  readonly: true,
  classes: true,
  mode: true,
  durability: true,
  busyTimeout: true,
  maxSize: true,
  version: true,
  upgrade: true,
}

/** How the native side opens a store, and what is to be done then. */
export function toOpenArguments<R>(options: OpenOptions<R> | undefined) {
  const { root, readonly = false, classes = {}, mode = 0o666, durability = 'commit', busyTimeout = 5000, version = 0, upgrade, ...rest } = toOptions(options as OpenOptions, OPEN_OPTIONS) as OpenOptions<R>
  const { create = !readonly, maxSize } = rest
  if (root !== undefined && typeof root !== 'function') throw wrongType('root', 'a function that returns what a new store begins with', root)
  if (upgrade !== undefined && typeof upgrade !== 'function') throw wrongType('upgrade', 'a function', upgrade)
  if (typeof classes !== 'object' || classes === null) throw wrongType('classes', 'an object of classes', classes)
  if (durability !== 'commit' && durability !== 'group') throw wrongValue('options.durability', "it is 'commit' or 'group'")
  if (toBoolean('readonly', readonly) && toBoolean('create', create)) throw wrongValue('options.readonly', 'a store that is made is written')
  const flags = {
    create: toBoolean('create', create),
    readonly,
    mode: toInteger('mode', mode, 0, 0o7777),
    group: durability === 'group',
    busyTimeout: toInteger('busyTimeout', busyTimeout, 0, 2 ** 31 - 1),
    thread: isMainThread ? 'the main thread' : `the worker ${threadId}`,
    ...(maxSize !== undefined && { maxSize: toInteger('maxSize', maxSize, 1) }),
  }
  return { flags, root, classes: new Classes(classes), version: toInteger('version', version, 0, 2 ** 32 - 1), upgrade }
}
