/**
 * Durable append-only logs: libpmemlog of the NVM Library.
 *
 * @module pmemlog
 */

import { type Path, type Size, textOf, toPath } from '../shared/arguments.js'
import { native } from '../shared/native.js'
import { type Log, newLog } from './log.js'
import { type CreateOptions, type OpenOptions, openOrCreate, provides, toCreateArguments, toOpenArguments } from './pools.js'

export { Log } from './log.js'
export type { Bytes, Data, FileURL, Path, Size } from '../shared/arguments.js'
export type { CreateOptions, Engine, OpenOptions } from './pools.js'
export type { Signal } from '../shared/signal.js'
export type { LogFollowOptions } from './log-follow.js'
export type { Encoding, LogReadOptions, LogWriteOptions } from './streams.js'

/** The smallest pool, in bytes: `PMEMLOG_MIN_POOL`. */
export const MIN_POOL = 2 << 20

/**
 * Makes a log and opens it (`pmemlog_create`). The file and its directory entry are durable on return.
 *
 * @param poolSize - The file's size in bytes; the log holds 8 KiB less. 0 takes the size of an existing file, or of a device such as
 *   `/dev/dax0.0`, whose first 4 KiB are zero.
 * @throws `EEXIST`; `ERR_OUT_OF_RANGE` below {@link MIN_POOL}; `ENOSPC` and others of making the file, which is then gone
 * again.
 */
export function create(path: Path, poolSize: Size = MIN_POOL, options?: CreateOptions): Log {
  const { flags, maxPending } = toCreateArguments(poolSize, options)
  const bytes = toPath('path', path)
  return newLog({ ...native.logCreate(bytes, flags), path: textOf(bytes), readonly: false }, maxPending)
}

/**
 * Opens a log (`pmemlog_open`); with `create`, makes it where it is missing.
 *
 * @throws `ERR_PMEM_CORRUPT` for a file that is no sound log, which is left as it is; `EAGAIN` for one that is open in
 * another process, or in this one in another way; with `create`, as {@link create}. With `readonly` a log may be open for
 * writing, in this process or on Linux in another one by this package.
 *
 * @example
 * import { pmemlog } from 'pmem'
 *
 * const log = pmemlog.open('events.log', { create: true, size: 16 << 20 })
 * log.append('started')
 * log.close()
 */
export function open(path: Path, options?: OpenOptions): Log {
  const { flags, making, maxPending } = toOpenArguments(options, MIN_POOL)
  const bytes = toPath('path', path)
  const info = openOrCreate(() => native.logOpen(bytes, ...flags), making && (() => native.logCreate(bytes, making)))
  return newLog({ ...info, path: textOf(bytes), readonly: flags[1] }, maxPending)
}

/**
 * Whether a file is a sound log (`pmemlog_check`). Throws for one that is missing, and `EAGAIN` for one that is open in this
 * process, or elsewhere where `open` would not open it readonly.
 */
export function check(path: Path): boolean {
  return native.logCheck(toPath('path', path))
}

/** Checks that this build provides a version of libpmemlog's interface (`pmemlog_check_version`), or throws `ERR_PMEM_VERSION`. */
export function checkVersion(major: number, minor: number): true {
  return provides(native.logCheckVersion, major, minor)
}
