import { type Path, toPath } from '../shared/arguments.js'
import { wrongType } from '../shared/errors.js'
import { INSIDE, requireInside } from '../shared/inside.js'
import { inspectAs } from '../shared/inspect.js'
import { native } from '../shared/native.js'
import * as calls from './calls.js'
import { COMMAND, startCommand } from './commands.js'
import { Flusher } from './flusher.js'
import { Line } from './line.js'
import { liveObject, revive } from './live.js'
import { Session, containers } from './session.js'
import type { SortedKey } from './sorted-keys.js'
import type { SortedMap } from './sorted-map.js'
import type { StoredMap } from './map.js'
import { Storing, isPrimitive, storeAll } from './storing.js'
import type { Live, NotPromise } from './types.js'
import { KIND, out } from './values.js'
import { type Change, Watches } from './watch.js'
import { checkSynchronous, synchronous } from './work.js'

/** What a store is and has done: bytes and counts. */
export interface Stats {
  /** The file's size. */
  size: number
  /** What the root, snapshots and live objects need of it. */
  used: number
  /** What can be used. */
  free: number
  /** How many snapshots are open in this process. */
  snapshots: number
  /** What only snapshots, and views of other threads, still need. */
  pinned: number
  /** What the log has of changes that are not at their places yet. */
  log: number
  /** How many transactions there were. */
  commits: number
  /** How often one waited for the log to have room. */
  waits: number
}

/** Makes a store of what was opened. */
export let newStore: <R>(session: Session) => Store<R>

/** Makes a snapshot of a store. */
let newSnapshot: <R>(session: Session) => Snapshot<R>

/** What a store and a snapshot of one have in common. */
abstract class Reader<R> {
  /** @internal */
  protected readonly session: Session

  constructor(key: typeof INSIDE, session: Session, name: string, makers: string) {
    requireInside(key, name, makers)
    this.session = session
  }

  /** What everything is reached from. */
  get root(): R {
    this.session.look()
    const reader = calls.root(this.session.handle())
    return (reader ? revive(this.session, reader.value()) : null) as R
  }

  /** The file, as it was named. */
  get path(): string {
    return this.session.path
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.session.closed
  }

  /** Closes it; closing again does nothing. Its live objects throw `ERR_PMEM_CLOSED` from then on. */
  close(): void {
    this.session.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.close())
  }
}

/** A store as it was at a commit. `store.snapshot` makes it; it keeps space until it is closed. */
export class Snapshot<R = unknown> extends Reader<R> {
  static {
    newSnapshot = <T>(session: Session) => new Snapshot<T>(INSIDE, session)
    inspectAs(Snapshot.prototype, (snapshot) => ({ known: { path: snapshot.path }, details: () => (snapshot.closed ? { closed: true } : {}) }))
  }

  private constructor(key: typeof INSIDE, session: Session) {
    super(key, session, 'Snapshot', 'store.snapshot')
  }
}

/**
 * Maps, sets, arrays, objects and instances of classes in a file, which change in place. {@link open} makes it.
 *
 * @example
 * import { objects } from 'pmem'
 *
 * const store = objects.open('app.store', { root: () => ({ visits: 0, log: [] as string[] }) })
 * store.transaction(() => {
 *   store.root.visits += 1
 *   store.root.log.push('visit')
 * })
 * console.log(store.root.visits) // => 1
 * store.close()
 */
export class Store<R = unknown> extends Reader<R> {
  readonly #watches: Watches
  readonly #flusher: Flusher
  readonly #line: Line

  static {
    newStore = <T>(session: Session) => new Store<T>(INSIDE, session)
    inspectAs(Store.prototype, (store) => ({
      known: { path: store.path },
      details: () => (store.closed ? { closed: true } : { readonly: store.readonly, root: store.root }),
    }))
  }

  private constructor(key: typeof INSIDE, session: Session) {
    super(key, session, 'Store', 'objects.open')
    this.#watches = new Watches(session)
    this.#line = new Line(session)
    this.#flusher = new Flusher(async () => native.objectsFlush(session.handle()))
    session.onClose((handle) => this.#flusher.settle(() => native.objectsFlushNow(handle)))
  }

  override get root(): R {
    return super.root
  }

  override set root(value: R) {
    const { session } = this
    checkWritable(session)
    const storing = new Storing(session)
    storing.add(value, { name: 'root' })
    storeAll(session, storing, () => {
      startCommand(COMMAND.root, 0)
      storing.write(value)
    })
  }

  /** Whether changes are refused. */
  get readonly(): boolean {
    return this.session.readonly
  }

  /** The version that the program gave what is stored. */
  get version(): number {
    this.session.look()
    return native.objectsVersion(this.session.handle())
  }

  /** Whether a transaction of this thread is open. */
  get inTransaction(): boolean {
    return this.session.depth > 0
  }

  /** Makes a Map that is in no other container yet. It goes once nobody has it. */
  map<K, V>(entries?: Iterable<readonly [K, V]> | null): StoredMap<K, V> {
    return this.#make(new Map(entries), 'map') as StoredMap<K, V>
  }

  /** Makes a Set that is in no container yet. */
  set<T>(values?: Iterable<T> | null): Set<T> {
    return this.#make(new Set(values), 'set') as Set<T>
  }

  /** Makes an array that is in no container yet. */
  array<T>(items?: Iterable<T>): T[] {
    return this.#make(items === undefined ? [] : [...items], 'array') as T[]
  }

  /** The live one of a plain object, a Map, a Set or an array; an instance of a class becomes the stored one. */
  object<T extends object>(value: T): T {
    if (isPrimitive(value)) throw wrongType('value', 'an object', value)
    const container = containers.get(value)
    if (container && container.id !== 0) return value
    return this.#make(value, 'object') as T
  }

  /** Makes a sorted map that is in no container yet. */
  sortedMap<K extends SortedKey, V>(entries?: Iterable<readonly [K, V]>): SortedMap<K, V> {
    const { session } = this
    checkWritable(session)
    return session.atomically(() => {
      const id = session.newId()
      startCommand(COMMAND.create, (out.clear(), id))
      out.byte(KIND.sortedMap)
      session.apply(out)
      session.made(id)
      const map = liveObject(session, KIND.sortedMap, id) as SortedMap<K, V>
      return entries === undefined ? map : map.setMany(entries)
    })
  }

  #make(plain: object, name: string): object {
    const { session } = this
    checkWritable(session)
    const storing = new Storing(session)
    storing.add(plain, { name })
    const container = containers.get(plain)
    if (container) {
      storeAll(session, storing, () => {})
      return plain
    }
    const { kind, id } = storing.freshOf(plain) ?? {}
    if (kind === undefined) throw wrongType('value', 'an object, a Map, a Set, an array or an instance', plain)
    // Nobody has it yet who keeps it.
    calls.pin(session.handle(), id!)
    try {
      storeAll(session, storing, () => {})
      return liveObject(session, kind, id!)
    } finally {
      calls.unpin(session.handle(), id!)
    }
  }

  /**
   * Changes all that `work` changes, or nothing where it throws. It is synchronous: an async function is refused. A transaction within
   * one is a part of it that can be rolled back by itself. Returns what `work` returns.
   *
   * @throws `ERR_PMEM_BUSY` where another thread's transaction takes longer than `busyTimeout`; `ERR_PMEM_ASYNC`; `ENOSPC`, and nothing
   * was changed; `EROFS` for a readonly store; `EIO` with `uncertain` where a flush failed, until the store is opened again; what `work`
   * throws.
   */
  transaction<T>(work: () => NotPromise<T>): T {
    checkWork(work)
    checkWritable(this.session)
    return this.session.transaction(() => synchronous(work()) as T)
  }

  /**
   * As `transaction`, but it waits for another thread's transaction, and for durability, without holding up the event loop. `work` itself is
   * synchronous. Those that wait have their turns in the order of the calls. This thread sees what one changed at once; others, unless
   * `durability` is 'group', once it is durable, which it is when the promise resolves.
   */
  async transactionAsync<T>(work: () => NotPromise<T>): Promise<T> {
    checkWork(work)
    const { session } = this
    checkWritable(session)
    return this.#line.enter(async () => {
      const result = session.run(() => synchronous(work()) as T)
      await this.flushed()
      return result
    })
  }

  /** Sees what other threads have committed by now. Otherwise it is seen from this thread's next turn on. */
  refresh(): void {
    this.session.handle()
    if (this.session.depth === 0) this.session.refresh()
  }

  /** Resolves once all that was committed is durable, which it is at once unless `durability` is 'group'. */
  async flushed(): Promise<void> {
    this.session.handle()
    await this.#flusher.flushed()
  }

  /** The store as it is now, for reading. */
  snapshot(): Snapshot<R> {
    const { path, classes } = this.session
    const session = new Session(native.objectsSnapshot(this.session.handle()), path, true, true, classes)
    session.refresh()
    return newSnapshot<R>(session)
  }

  /**
   * Calls `callback` after turns in which something in a container was changed, by any thread of this process, once a turn. Returns the
   * function that ends it.
   */
  watch(container: object, callback: (change: Change) => void): () => void {
    const watched = containers.get(container)
    if (!watched || watched.session !== this.session || watched.id === 0) throw wrongType('container', 'a live object of this store', container)
    if (typeof callback !== 'function') throw wrongType('callback', 'a function', callback)
    watched.look()
    return this.#watches.add(watched, callback)
  }

  /**
   * Frees what nobody can reach any more: containers that refer to each other, and those that wait to be freed. Resolves to how many it
   * were.
   */
  async gc(): Promise<{ containers: number }> {
    return { containers: await native.objectsCollect(this.session.handle()) }
  }

  /** What the store is and has done. */
  stats(): Stats {
    return native.objectsStats(this.session.handle())
  }

  /** Copies the store as it is now to a new file, durably, while it goes on being changed. */
  async backup(path: Path): Promise<void> {
    await native.objectsBackup(this.session.handle(), toPath('path', path))
  }

  /** As `backup`, but what nobody can reach any more is freed before. */
  async compact(path: Path): Promise<void> {
    const bytes = toPath('path', path)
    await this.gc()
    await native.objectsBackup(this.session.handle(), bytes)
  }
}

function checkWritable(session: Session): void {
  session.handle()
  session.checkWritable()
}

function checkWork(work: unknown): void {
  if (typeof work !== 'function') throw wrongType('work', 'a function', work)
  checkSynchronous(work)
}

export type { Live }
