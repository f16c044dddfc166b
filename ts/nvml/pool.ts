import type { EngineName } from '../shared/capabilities.js'
import { Committer } from '../shared/committer.js'
import { closed } from '../shared/errors.js'
import { alarmed } from '../shared/frame.js'
import { inspectAs } from '../shared/inspect.js'

/** What the native side tells of an open pool. */
export interface PoolInfo {
  handle: number
  engine: string
  path: string
  readonly: boolean
}

/** What the native side does for the pools of one kind, by handle. */
export interface PoolKind {
  /** What errors call it. */
  readonly name: string
  /** Refuses one of which a page was lost. */
  readonly intact: (handle: number) => void
  /** How many bytes wait to be written. */
  readonly pending: (handle: number) => number
  /** How many bytes may. */
  readonly limitPending: (handle: number, most: number) => void
  /** Finishes what was put off, and drops the handle. */
  readonly close: (handle: number) => void
  /** What is to be done once one is closed. */
  readonly closed?: (pool: Pool) => void
  /** What is to be said of an open one, beside what all have. */
  readonly details: (pool: Pool) => object
  /** Drops pools that are collected without having been closed. */
  readonly collected: FinalizationRegistry<number>
}

/** A kind of pools. */
export function poolKind(name: string, native: Omit<PoolKind, 'name' | 'collected'>): PoolKind {
  return { name, ...native, collected: new FinalizationRegistry(native.close) }
}

/** Puts work on an open pool off: what `enqueue` does, which gets the handle, and the queue that waits for it. */
export let putOff: (pool: Pool, enqueue: (handle: number, queue: number) => void) => Promise<void>

/** The handle, which only an open pool has, and none of whose pages was lost. */
export let openHandle: (pool: Pool) => number

/** What all pools are: open until they are closed, shared by all handles on the same file. */
export abstract class Pool implements Disposable, AsyncDisposable {
  /** 0 once closed. */
  #handle: number
  readonly #engine: EngineName
  readonly #path: string
  readonly #readonly: boolean
  readonly #kind: PoolKind
  readonly #committer = new Committer()

  static {
    putOff = (pool, enqueue) => pool.#committer.add((queue) => enqueue(openHandle(pool), queue))
    openHandle = (pool) => {
      const handle = pool.#handle
      if (handle === 0) throw closed(pool.#kind.name, pool.#path)
      if (alarmed()) pool.#kind.intact(handle)
      return handle
    }
    inspectAs(Pool.prototype, (pool) => ({
      known: { path: pool.path },
      details() {
        if (pool.closed) return { closed: true }
        return { readonly: pool.readonly, engine: pool.engine, ...pool.#kind.details(pool) }
      },
    }))
  }

  /** @internal */
  protected constructor(kind: PoolKind, info: PoolInfo, maxPending?: number) {
    this.#handle = info.handle
    this.#engine = info.engine as EngineName
    this.#path = info.path
    this.#readonly = info.readonly
    this.#kind = kind
    kind.collected.register(this, info.handle, this)
    if (maxPending !== undefined) kind.limitPending(info.handle, maxPending)
  }

  /** Whether this handle was closed. */
  get closed(): boolean {
    return this.#handle === 0
  }

  /** The pool's file, as it was named. */
  get path(): string {
    return this.#path
  }

  /** Whether changes are refused. */
  get readonly(): boolean {
    return this.#readonly
  }

  /** How many bytes asynchronous calls have waiting to be written, on all handles of the pool in this process. */
  get pending(): number {
    return this.#kind.pending(openHandle(this))
  }

  /** What implements the pool: `pmdk` (libpmemlog, libpmemblk) or `rust`. */
  get engine(): EngineName {
    openHandle(this)
    return this.#engine
  }

  /** Finishes what is pending and closes this handle; the pool is closed with its last handle. Closing again does nothing. */
  close(): void {
    if (this.#handle === 0) return
    const handle = this.#handle
    this.#handle = 0
    this.#kind.collected.unregister(this)
    this.#kind.close(handle)
    this.#kind.closed?.(this)
    this.#committer.settle()
  }

  /** Closes. */
  [Symbol.dispose](): void {
    this.close()
  }

  /** Awaits what is pending and closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#handle === 0) return
    await this.#committer.idle()
    this.close()
  }
}
