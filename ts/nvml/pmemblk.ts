/**
 * Arrays of atomically written blocks: libpmemblk of the NVM Library.
 *
 * @module pmemblk
 */

import { type Path, type Size, textOf, toInteger, toPath } from '../shared/arguments.js'
import { native } from '../shared/native.js'
import { type BlockArray, newBlockArray } from './blocks.js'
import { type CreateOptions, type OpenOptions, openOrCreate, provides, toCreateArguments, toOpenArguments } from './pools.js'

export { BlockArray } from './blocks.js'
export type { Bytes, Data, FileURL, Path, Size } from '../shared/arguments.js'
export type { CreateOptions, Engine, OpenOptions } from './pools.js'

/** The smallest pool, in bytes: `PMEMBLK_MIN_POOL`. */
export const MIN_POOL = (16 << 20) + (8 << 10)

/** What the smallest block takes up, in bytes: `PMEMBLK_MIN_BLK`. Smaller blocks are possible and save no room. */
export const MIN_BLK = 512

/** The size of a block by default. */
const BLOCK_SIZE = 512

/**
 * Makes an array and opens it (`pmemblk_create`). The file and its directory entry are durable on return.
 *
 * @param blockSize - In bytes, from 1.
 * @param poolSize - The file's size in bytes; 0 takes the size of an existing file, or of a device such as `/dev/dax0.0`,
 *   whose first 4 KiB are zero.
 * @throws `EEXIST`; `ERR_OUT_OF_RANGE` below {@link MIN_POOL}, or for blocks too large for the pool; `ENOSPC` and others of
 * making the file, which is then gone again.
 */
export function create(path: Path, blockSize: Size = BLOCK_SIZE, poolSize: Size = MIN_POOL, options?: CreateOptions): BlockArray {
  const bsize = toBlockSize(blockSize, 1)
  const { flags, maxPending } = toCreateArguments(poolSize, options)
  const bytes = toPath('path', path)
  return newBlockArray({ ...native.arrayCreate(bytes, bsize, flags), path: textOf(bytes), readonly: false }, maxPending)
}

/**
 * Opens an array (`pmemblk_open`); with `create`, makes it where it is missing.
 *
 * @param blockSize - 0 takes the pool's, and makes one with blocks of 512 bytes.
 * @throws `ERR_PMEM_CORRUPT` for a file that is no sound array, which is left as it is; `EINVAL` for another block size;
 * `EAGAIN` for one that is open in another process, or in this one in another way; with `create`, as {@link create}.
 */
export function open(path: Path, blockSize: Size = 0, options?: OpenOptions): BlockArray {
  const { flags, making, maxPending } = toOpenArguments(options, MIN_POOL)
  const [bytes, bsize] = [toPath('path', path), toBlockSize(blockSize, 0)]
  const make = making && (() => native.arrayCreate(bytes, bsize || BLOCK_SIZE, making))
  const info = openOrCreate(() => native.arrayOpen(bytes, bsize, ...flags), make)
  return newBlockArray({ ...info, path: textOf(bytes), readonly: flags[1] }, maxPending)
}

/**
 * Whether a file is a sound array, of that block size where one is given (`pmemblk_check`). It reads the whole map. Throws
 * for a file that is missing, and `EAGAIN` for one that is open.
 */
export function check(path: Path, blockSize: Size = 0): boolean {
  return native.arrayCheck(toPath('path', path), toBlockSize(blockSize, 0))
}

/** Checks that this build provides a version of libpmemblk's interface (`pmemblk_check_version`), or throws `ERR_PMEM_VERSION`. */
export function checkVersion(major: number, minor: number): true {
  return provides(native.arrayCheckVersion, major, minor)
}

function toBlockSize(blockSize: Size, min: number): number {
  return toInteger('blockSize', blockSize, min, 2 ** 32 - 1)
}
