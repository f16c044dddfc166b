import { type AbstractBatchOperation, type AbstractBatchOptions, type AbstractChainedBatch, type AbstractDatabaseOptions, type AbstractDelOptions, AbstractLevel, type AbstractOpenOptions, type AbstractPutOptions } from 'abstract-level'
import type { objects } from 'pmem'
import { type Entries, type Range, type Root, toBuffer, toRange, toStored } from './entries.js'
import { PmemIterator } from './iterator.js'
import { openStore } from './opening.js'
import { PmemSnapshot } from './snapshot.js'

/** What a change may be given besides what Level's options are. */
export interface WriteOptions {
  /**
   * With true, the change is durable when its promise resolves. With false, it survives the end of the process then, however that ends,
   * and a power failure a little later: once a change with `sync: true`, or `close`, has resolved. Default: true.
   */
  sync?: boolean | undefined
}

interface ReadOptions {
  snapshot?: PmemSnapshot
}

type Operation = { type: 'put'; key: Buffer; value: Buffer } | { type: 'del'; key: Buffer }

const MANIFEST = {
  encodings: { buffer: true },
  implicitSnapshots: true,
  explicitSnapshots: true,
  has: true,
  getSync: true,
  createIfMissing: true,
  errorIfExists: true,
} as const

/**
 * A database of Level in a folder. Changes are durable when their promises resolve; a batch is a transaction.
 *
 * @example
 * import { PmemLevel } from 'pmem-level'
 *
 * const db = new PmemLevel('app')
 * await db.put('ada', 'lovelace')
 * console.log(await db.get('ada')) // => lovelace
 * await db.close()
 */
// oxlint-disable-next-line typescript/no-unsafe-declaration-merging -- the interface has inherited methods alone
export class PmemLevel<KDefault = string, VDefault = string> extends AbstractLevel<Buffer, KDefault, VDefault> {
  /** The folder, as it was given. */
  readonly location: string
  #store!: objects.Store<Root>
  #entries!: Entries

  /** A database in a folder, which is opened, or made where there is none, before the first operation. */
  constructor(location: string, options?: AbstractDatabaseOptions<KDefault, VDefault>) {
    if (typeof location !== 'string' || location === '') throw new TypeError("The first argument 'location' must be a non-empty string")
    super(MANIFEST, options)
    this.location = location
  }

  async _open({ createIfMissing, errorIfExists }: AbstractOpenOptions): Promise<void> {
    this.#store = openStore(this.location, createIfMissing === true, errorIfExists === true)
    this.#entries = this.#store.root.level
  }

  async _close(): Promise<void> {
    await this.#store.flushed()
    this.#store.close()
  }

  async _put(key: Buffer, value: Buffer, options: WriteOptions): Promise<void> {
    await this.#change(options, () => void this.#entries.set(toStored(key), value))
  }

  async _del(key: Buffer, options: WriteOptions): Promise<void> {
    await this.#change(options, () => void this.#entries.delete(toStored(key)))
  }

  async _batch(operations: readonly Operation[], options: WriteOptions): Promise<void> {
    await this.#change(options, () => {
      for (const operation of operations) {
        if (operation.type === 'put') this.#entries.set(toStored(operation.key), operation.value)
        else this.#entries.delete(toStored(operation.key))
      }
    })
  }

  async _clear(options: Range & ReadOptions & WriteOptions): Promise<void> {
    const { limit, snapshot } = options
    await this.#change(options, () => {
      const range = this.#read(options).range({ ...toRange(options), ...(limit >= 0 && { limit }) })
      const keys = Array.from(range, ([key]) => key)
      if (!snapshot && keys.length === this.#entries.size) this.#entries.clear()
      else for (const key of keys) this.#entries.delete(key)
    })
  }

  _getSync(key: Buffer, options: ReadOptions): Buffer | undefined {
    return this.#find(key, options)
  }

  async _get(key: Buffer, options: ReadOptions): Promise<Buffer | undefined> {
    return this.#find(key, options)
  }

  async _getMany(keys: readonly Buffer[], options: ReadOptions): Promise<(Buffer | undefined)[]> {
    return keys.map((key) => this.#find(key, options))
  }

  async _has(key: Buffer, options: ReadOptions): Promise<boolean> {
    return this.#read(options).has(toStored(key))
  }

  async _hasMany(keys: readonly Buffer[], options: ReadOptions): Promise<boolean[]> {
    const entries = this.#read(options)
    return keys.map((key) => entries.has(toStored(key)))
  }

  _iterator(options: Range & ReadOptions): PmemIterator<this, KDefault, VDefault> {
    if (options.snapshot) return new PmemIterator(this, options, options.snapshot.entries, () => {})
    const snapshot = this.#store.snapshot() as objects.Snapshot<Root>
    return new PmemIterator(this, options, snapshot.root.level, () => snapshot.close())
  }

  _snapshot(options: object): PmemSnapshot {
    return new PmemSnapshot(this.#store, options)
  }

  /** What is read: a snapshot's entries, or those of now. */
  #read({ snapshot }: ReadOptions): Entries {
    return snapshot?.entries ?? this.#entries
  }

  #find(key: Buffer, options: ReadOptions): Buffer | undefined {
    const value = this.#read(options).get(toStored(key))
    return value && toBuffer(value)
  }

  async #change({ sync = true }: WriteOptions, work: () => void): Promise<void> {
    if (sync) await this.#store.transactionAsync(work)
    else this.#store.transaction(work)
  }
}

/** What Level's types leave out: `sync`. */
export interface PmemLevel<KDefault, VDefault> {
  put(key: KDefault, value: VDefault): Promise<void>
  put<K = KDefault, V = VDefault>(key: K, value: V, options: AbstractPutOptions<K, V> & WriteOptions): Promise<void>
  del(key: KDefault): Promise<void>
  del<K = KDefault>(key: K, options: AbstractDelOptions<K> & WriteOptions): Promise<void>
  batch(operations: AbstractBatchOperation<this, KDefault, VDefault>[]): Promise<void>
  batch<K = KDefault, V = VDefault>(operations: AbstractBatchOperation<this, K, V>[], options: AbstractBatchOptions<K, V> & WriteOptions): Promise<void>
  batch(): AbstractChainedBatch<this, KDefault, VDefault> & { write(options: WriteOptions): Promise<void> }
}
