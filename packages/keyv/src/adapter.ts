import { Hookified } from 'hookified'
import { type KeyvStorageAdapter, type KeyvStorageCapability, type KeyvStorageEntry, type KeyvStorageGetResult, keyvStorageCapability } from 'keyv'
import { objects } from 'pmem'
import { type Id, type Root, begin, clear, entriesOf, get, has, isRoot, nextExpiry, remove, removeAll, set, sweep } from './entries.js'

/** How many expired entries a change removes besides what it is for, and the timer at once. */
const FEW = 16
const MANY = 1000

/** How long the timer waits at least and at most, in milliseconds. */
const PAUSE = 1000
const LONGEST = 2 ** 31 - 1

/** How an adapter works. */
export interface KeyvPmemOptions {
  /** The namespace, where Keyv sets no other one. */
  namespace?: string | undefined
  /**
   * With true, a change is durable when its promise resolves. With false, it survives the end of the process then, however that ends, and
   * a power failure once a change of an adapter with true, or `disconnect`, has resolved. Default: true.
   */
  sync?: boolean | undefined
}

/**
 * A storage adapter for Keyv in a file of its own. Entries that expire are removed at changes and by a timer, which keeps no process
 * alive.
 *
 * @example
 * import { Keyv } from 'keyv'
 * import { KeyvPmem } from 'pmem-keyv'
 *
 * const keyv = new Keyv(new KeyvPmem('cache.keyv'))
 * await keyv.set('ada', { visits: 1 }, 60_000)
 * console.log(await keyv.get('ada')) // => { visits: 1 }
 * await keyv.disconnect()
 */
export class KeyvPmem extends Hookified implements KeyvStorageAdapter {
  /** The namespace of what is read and changed. */
  namespace: string | undefined
  readonly #store: objects.Store<Root>
  readonly #root: Root
  readonly #sync: boolean
  #timer: NodeJS.Timeout | undefined
  #due = Infinity

  /**
   * Opens a file, or makes it where there is none.
   *
   * @throws As `objects.open`; `ERR_PMEM_KEYV_STORE` where the file is a store of something else.
   */
  constructor(path: string, { namespace, sync = true }: KeyvPmemOptions = {}) {
    super()
    const store = objects.open(path, { durability: 'group', root: begin }) as unknown as objects.Store<Root>
    const { root } = store
    if (!isRoot(root)) {
      store.close()
      throw Object.assign(new Error(`'${path}' is a store that pmem-keyv has not made: give another path`), { code: 'ERR_PMEM_KEYV_STORE' })
    }
    this.namespace = namespace
    this.#store = store
    this.#root = root
    this.#sync = sync
    this.#plan()
  }

  /** That `set` takes the time at which an entry expires, and other capabilities. */
  get capabilities(): KeyvStorageCapability {
    return keyvStorageCapability(this)
  }

  async get<Value>(key: string): Promise<KeyvStorageGetResult<Value>> {
    return get(this.#root, this.#id(key)) as KeyvStorageGetResult<Value>
  }

  async getMany<Value>(keys: string[]): Promise<KeyvStorageGetResult<Value | undefined>[]> {
    return keys.map((key) => get(this.#root, this.#id(key)) as KeyvStorageGetResult<Value | undefined>)
  }

  async has(key: string): Promise<boolean> {
    return has(this.#root, this.#id(key))
  }

  async hasMany(keys: string[]): Promise<boolean[]> {
    return keys.map((key) => has(this.#root, this.#id(key)))
  }

  async set(key: string, value: unknown, expires?: number): Promise<boolean> {
    await this.setMany([{ key, value, expires }])
    return true
  }

  /** Sets all of the entries, or none. */
  async setMany<Value>(entries: KeyvStorageEntry<Value>[]): Promise<boolean[]> {
    const ids = entries.map(({ key }) => this.#id(key))
    await this.#change(() => entries.forEach(({ value, expires }, index) => set(this.#root, ids[index]!, value, expires)))
    return entries.map(() => true)
  }

  async delete(key: string): Promise<boolean> {
    const [was] = await this.deleteMany([key])
    return was!
  }

  /** Removes all of the entries, or none. */
  async deleteMany(keys: string[]): Promise<boolean[]> {
    const ids = keys.map((key) => this.#id(key))
    return this.#change(() => ids.map((id) => remove(this.#root, id)))
  }

  /** Removes all entries of the namespace; without one, all that there are. */
  async clear(): Promise<void> {
    const { namespace } = this
    await this.#change(() => (namespace === undefined ? clear(this.#root) : removeAll(this.#root, namespace)))
  }

  /** The entries of the namespace as they are at the first step. */
  async *iterator<Value>(): AsyncGenerator<(string | Awaited<Value> | undefined)[], void> {
    const snapshot = this.#store.snapshot() as objects.Snapshot<Root>
    try {
      for (const entry of entriesOf(snapshot.root, this.namespace ?? '')) yield entry as [string, Awaited<Value>]
    } finally {
      snapshot.close()
    }
  }

  /** Closes the file. All is durable then. */
  async disconnect(): Promise<void> {
    clearTimeout(this.#timer)
    if (this.#store.closed) return
    await this.#store.flushed()
    this.#store.close()
  }

  #id(key: string): Id {
    return [this.namespace ?? '', key]
  }

  async #change<T>(work: () => T): Promise<T> {
    const all = () => {
      const result = work()
      sweep(this.#root, FEW)
      return result
    }
    const result = this.#sync ? await this.#store.transactionAsync<T>(all as never) : this.#store.transaction<T>(all as never)
    this.#plan()
    return result
  }

  /** Sets the timer by what expires next. */
  #plan(): void {
    if (this.#store.closed) return
    const next = nextExpiry(this.#root) ?? Infinity
    if (next === this.#due) return
    clearTimeout(this.#timer)
    this.#due = next
    if (next === Infinity) return
    const wait = Math.min(Math.max(next - Date.now(), PAUSE), LONGEST)
    this.#timer = setTimeout(() => void this.#expire(), wait).unref()
  }

  /** Removes what has expired. */
  async #expire(): Promise<void> {
    this.#due = Infinity
    try {
      const removed = await this.#store.transactionAsync(() => sweep(this.#root, MANY))
      if (removed === MANY) await this.#expire()
      else this.#plan()
    } catch (error) {
      // Whoever closed it has no more need of this.
      if (!this.#store.closed) this.emit('error', error)
    }
  }
}
