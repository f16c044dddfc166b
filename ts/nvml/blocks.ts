import { constants } from 'node:buffer'
import { type Bytes, type Data, type Size, toBytes, toInteger } from '../shared/arguments.js'
import { SLAB, SMALL, type Shared, allocate, allocateShared, cut } from '../shared/buffers.js'
import { outOfRange, wrongType } from '../shared/errors.js'
import { checkSource, stage, staging } from '../shared/frame.js'
import { INSIDE, requireInside } from '../shared/inside.js'
import { type Source, iterate } from '../shared/iterator.js'
import { native } from '../shared/native.js'
import * as calls from './block-calls.js'
import { Pool, type PoolInfo, openHandle, poolKind, putOff } from './pool.js'

/** What the native side tells of an open array. */
export interface ArrayInfo extends PoolInfo {
  bsize: number
  nblock: number
}

/** How much an iteration copies at once: a whole number of blocks of about this size. */
const SCAN = 1 << 20

/** Makes an array of what the native side gave. */
export let newBlockArray: (info: ArrayInfo, maxPending?: number) => BlockArray

const kind = poolKind('block array', {
  intact: native.arrayIntact,
  pending: native.arrayPending,
  limitPending: native.arrayLimitPending,
  close: native.arrayClose,
  details: (array) => ({ bsize: (array as BlockArray).bsize(), nblock: (array as BlockArray).nblock(), pending: array.pending }),
})

/**
 * An array of blocks, each written atomically and durably. {@link create} and {@link open} make it.
 *
 * Handles on the same file in one process, also those of workers, share the array. After `close` every use throws
 * `ERR_PMEM_CLOSED`, except `closed`, `path`, `readonly` and closing again. A block that was never written is zeros. An index that is no
 * block's is `ERR_OUT_OF_RANGE`.
 *
 * @example
 * import { pmemblk } from 'pmem'
 *
 * const blocks = pmemblk.create('pages.blk', 512)
 * blocks.write('persistent block!', 20)
 * console.log(blocks.readText(20)) // => persistent block!
 * blocks.close()
 */
export class BlockArray extends Pool implements Iterable<Buffer> {
  readonly #bsize: number
  readonly #nblock: number
  /** Where a short block crosses: a view, since to make one costs more than to copy the block. */
  #staging: Uint8Array | undefined

  static {
    newBlockArray = (info, maxPending) => new BlockArray(INSIDE, info, maxPending)
  }

  private constructor(key: typeof INSIDE, info: ArrayInfo, maxPending?: number) {
    requireInside(key, 'BlockArray', 'pmemblk.create or pmemblk.open')
    super(kind, info, maxPending)
    this.#bsize = info.bsize
    this.#nblock = info.nblock
  }

  /** The size of a block in bytes (`pmemblk_bsize`). */
  bsize(): number {
    openHandle(this)
    return this.#bsize
  }

  /** How many blocks there are (`pmemblk_nblock`). */
  nblock(): number {
    openHandle(this)
    return this.#nblock
  }

  /**
   * A copy of a whole block (`pmemblk_read`). A short one shares its memory with others, as with `Buffer.allocUnsafe`.
   *
   * @throws `EIO` for a block in the error state.
   */
  read(index: Size): Buffer {
    openHandle(this)
    const at = this.#index(index)
    const target = allocate(this.#bsize)
    calls.read(openHandle(this), at, target, this.#bsize)
    return target
  }

  /** A block's text: UTF-8 up to the first NUL. Throws as `read`. */
  readText(index: Size): string {
    const block = this.read(index)
    const end = block.indexOf(0)
    return block.toString('utf8', 0, end === -1 ? block.length : end)
  }

  /**
   * Copies a block into the first bytes of `target`, without allocating.
   *
   * @throws `ERR_OUT_OF_RANGE` for a target shorter than a block; as `read`.
   */
  readInto(target: Bytes, index: Size): void {
    openHandle(this)
    const bytes = this.#target(target)
    if (bytes.length < this.#bsize) throw outOfRange('target.byteLength', `>= ${this.#bsize}`, bytes.length)
    calls.read(openHandle(this), this.#index(index), bytes, this.#bsize)
  }

  /**
   * Copies of `count` blocks in a row, one behind the other, in one call.
   *
   * @param target - Where to copy to; a new Buffer by default. What is returned is a view of it.
   * @throws As `read` and `readInto`.
   */
  readMany(start: Size, count: Size, target?: Bytes): Buffer {
    openHandle(this)
    const first = this.#index(start)
    const most = Math.min(this.#nblock - first, Math.floor(constants.MAX_LENGTH / this.#bsize))
    const length = toInteger('count', count, 0, most) * this.#bsize
    const bytes = target === undefined ? Buffer.allocUnsafe(length) : this.#target(target)
    if (bytes.length < length) throw outOfRange('target.byteLength', `>= ${length}`, bytes.length)
    const blocks = Buffer.from(bytes.buffer, bytes.byteOffset, length)
    calls.read(openHandle(this), first, blocks, length)
    return blocks
  }

  /**
   * Writes a block: all or nothing, durable on return (`pmemblk_write`). Shorter data is padded with zeros.
   *
   * @throws `ERR_OUT_OF_RANGE` for data longer than a block; `EROFS` for a readonly array.
   */
  write(data: Data, index: Size): void {
    openHandle(this)
    const bytes = this.#data(data)
    const at = this.#index(index)
    const block = bytes.length === this.#bsize ? bytes : this.#staged(bytes)
    calls.write(openHandle(this), at, block)
  }

  /**
   * `write` off the main thread. The data is copied at the call; later calls come after it; the promise settles when the
   * block is durable. Rejects as `write` throws.
   */
  writeAsync(data: Data, index: Size): Promise<void> {
    return putOff(this, (_, queue) => {
      const bytes = this.#padded(this.#data(data))
      const at = this.#index(index)
      native.arrayEnqueue(openHandle(this), queue, at, bytes)
    })
  }

  /**
   * Writes blocks in a row in one call. Each is atomic; several are not.
   *
   * @param data - Whole blocks, one behind the other.
   * @throws `ERR_OUT_OF_RANGE` for data that is not whole blocks or too long; as `write`.
   */
  writeMany(start: Size, data: Data): void {
    openHandle(this)
    const bytes = toBytes('data', data)
    calls.write(openHandle(this), this.#rows(start, bytes), bytes)
  }

  /** `writeMany` off the main thread, as `writeAsync`. */
  writeManyAsync(start: Size, data: Data): Promise<void> {
    return putOff(this, (_, queue) => {
      const bytes = toBytes('data', data)
      native.arrayEnqueue(openHandle(this), queue, this.#rows(start, bytes), bytes)
    })
  }

  /** Makes a block read as zeros, durably, without writing them (`pmemblk_set_zero`). */
  setZero(index: Size): void {
    openHandle(this)
    native.arraySetZero(openHandle(this), this.#index(index))
  }

  /** Makes reads of a block fail with `EIO`, durably, until it is written or zeroed (`pmemblk_set_error`). */
  setError(index: Size): void {
    openHandle(this)
    native.arraySetError(openHandle(this), this.#index(index))
  }

  /** All blocks in order. Throws as `read` where it meets a block in the error state. */
  [Symbol.iterator](): Generator<Buffer, void, undefined> {
    return iterate(new BlockScan(this))
  }

  #index(index: Size): number {
    return toInteger('index', index, 0, this.#nblock - 1)
  }

  #data(data: Data): Uint8Array {
    const bytes = toBytes('data', data)
    if (bytes.length > this.#bsize) throw outOfRange('data.byteLength', `<= ${this.#bsize}`, bytes.length)
    return bytes
  }

  /** A shorter block with zeros behind it, in the staging area where that is long enough. */
  #staged(bytes: Uint8Array): Uint8Array {
    if (this.#bsize > staging.length) return this.#padded(bytes)
    this.#staging ??= staging.subarray(0, this.#bsize)
    stage(bytes)
    return this.#staging.fill(0, bytes.length)
  }

  #padded(bytes: Uint8Array): Uint8Array {
    if (bytes.length === this.#bsize) return bytes
    const block = Buffer.alloc(this.#bsize)
    block.set(bytes)
    checkSource(bytes)
    return block
  }

  /** The first index for `bytes`, which must be whole blocks that exist. */
  #rows(start: Size, bytes: Uint8Array): number {
    const first = this.#index(start)
    const most = (this.#nblock - first) * this.#bsize
    if (bytes.length % this.#bsize === 0 && bytes.length <= most) return first
    throw outOfRange('data.byteLength', `a multiple of ${this.#bsize} and <= ${most}`, bytes.length)
  }

  #target(target: Bytes): Uint8Array {
    if (typeof target === 'string') throw wrongType('target', 'a Buffer, a TypedArray, a DataView or an ArrayBuffer', target)
    return toBytes('target', target)
  }
}

/** All blocks of an array, cut out of larger copies. What throws ends it. */
class BlockScan implements Source {
  readonly #array: BlockArray
  #size = 0
  /** The current copy; null where one of its blocks is in the error state, so that those before it can still be had. */
  #copy: Shared | null = null
  /** The blocks of the copy, and the next one to give. */
  #first = 0
  #last = 0
  #next = 0
  /** How many blocks there are, once that was asked. */
  #count = Infinity

  constructor(array: BlockArray) {
    this.#array = array
  }

  advance(): Buffer | undefined {
    if (this.#next === this.#last && !this.#goOn()) return undefined
    const index = this.#next
    this.#next = index + 1
    return this.#copy === null ? this.#alone(index) : cut(this.#copy, (index - this.#first) * this.#size, this.#size)
  }

  end(): void {
    this.#copy = null
    this.#count = this.#last = this.#next
  }

  /** Whether there are more blocks; copies the next of them. */
  #goOn(): boolean {
    const first = this.#next
    if (first >= this.#count) return false
    this.#count = first
    const [size, count] = [this.#array.bsize(), this.#array.nblock()]
    const last = Math.min(count, first + Math.max(1, Math.floor((size <= SMALL ? SLAB : SCAN) / size)))
    this.#copy = this.#read(first, last - first, size)
    this.#size = size
    this.#first = first
    this.#last = last
    this.#count = count
    return true
  }

  #read(first: number, count: number, size: number): Shared | null {
    // A block that is a copy of its own is its owner's to transfer.
    const copy = allocateShared(count * size, count > 1)
    try {
      this.#array.readMany(first, count, copy.bytes)
      return copy
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EIO') return null
      throw error
    }
  }

  #alone(index: number): Buffer {
    try {
      return this.#array.read(index)
    } catch (error) {
      this.end()
      throw error
    }
  }
}
