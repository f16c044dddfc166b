/** Other threads that change a store, also while this one is in the midst of a turn. */

import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { objects } from 'pmem'
import { folder } from './files.js'
import { type It, type Peer, startWorker } from './pools-peers.js'

/** A store of anything. */
export type AnyStore = objects.Store<any>

/** Opens a store of anything, which is closed after the test. */
export function open(
  t: ExecutionContext,
  root?: (store: objects.Store<null>) => unknown,
  options: objects.OpenOptions<any> = {},
  path = join(folder(t), 'store'),
): AnyStore {
  const store: AnyStore = objects.open<any>(path, { ...(root && { root }), ...options })
  t.teardown(() => store.close())
  return store
}

/** Opens a store that is there. */
export function reopened(t: ExecutionContext, { path }: { readonly path: string }, options: objects.OpenOptions<any> = {}): AnyStore {
  return open(t, undefined, { create: false, ...options }, path)
}

/** Lets the turn end, and some more. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

type Work<A extends unknown[]> = (store: AnyStore, ...args: A) => unknown

/** A worker that has the store open. */
export class Other {
  readonly #peer: Peer
  #failed: Error | undefined

  /** @param classes the names of the classes that it has: such without anything of their own */
  constructor(t: ExecutionContext, path: string, classes: readonly string[] = [], options: objects.OpenOptions<any> = {}) {
    this.#peer = startWorker(t)
    const begin = (it: It, path: string, names: readonly string[], options: objects.OpenOptions<any>) => {
      const classes = Object.fromEntries(names.map((name) => [name, class extends it.objects.Persistent {}]))
      it.kept['store'] = it.objects.open(path, { create: false, classes, ...options })
    }
    this.#peer.run(begin, path, classes, options).catch((error: Error) => (this.#failed = error))
  }

  /** Runs a function there, which gets the store and is sent as text. */
  async run<A extends unknown[]>(work: Work<A>, ...args: A): Promise<any> {
    const does = (it: It, source: string, args: unknown[]) => {
      // oxlint-disable-next-line no-eval -- the source is a function of the tests themselves
      const work = (0, eval)(`(${source})`) as (...args: unknown[]) => unknown
      return work(it.kept['store'], ...args)
    }
    const result: unknown = await this.#peer.run(does, work.toString(), args)
    if (this.#failed) throw this.#failed
    return result
  }

  /** As `run`, and holds up this thread until it is done: for this thread no time goes by. */
  now<A extends unknown[]>(work: Work<A>, ...args: A): void {
    const signal = new Int32Array(new SharedArrayBuffer(4))
    const does = async (it: It, source: string, args: unknown[], signal: Int32Array) => {
      let how = 2
      try {
        // oxlint-disable-next-line no-eval -- the source is a function of the tests themselves
        const work = (0, eval)(`(${source})`) as (...args: unknown[]) => unknown
        await work(it.kept['store'], ...args)
        how = 1
      } finally {
        Atomics.store(signal, 0, how)
        Atomics.notify(signal, 0)
      }
    }
    void this.#peer.run(does, work.toString(), args, signal)
    Atomics.wait(signal, 0, 0, 20_000)
    if (signal[0] !== 1) throw new Error(`the other thread ${signal[0] === 0 ? 'took too long' : 'failed'}: ${String(work)}`)
  }

  /**
   * Has it begin a transaction, do something in it, and stay in it until `leave` is called or so many milliseconds have gone by. Returns
   * once it is in it.
   */
  hold<A extends unknown[]>(most: number, work: Work<A>, ...args: A): Held {
    const signal = new Int32Array(new SharedArrayBuffer(8))
    const does = (it: It, source: string, args: unknown[], signal: Int32Array, most: number) => {
      // oxlint-disable-next-line no-eval -- the source is a function of the tests themselves
      const work = (0, eval)(`(${source})`) as (...args: unknown[]) => unknown
      const store = it.kept['store'] as AnyStore
      store.transaction(() => {
        work(store, ...args)
        Atomics.store(signal, 0, 1)
        Atomics.notify(signal, 0)
        Atomics.wait(signal, 1, 0, most)
      })
    }
    const over = this.#peer.run(does, work.toString(), args, signal, most) as Promise<void>
    if (Atomics.wait(signal, 0, 0, 20_000) === 'timed-out') throw new Error('the other thread did not begin')
    const leave = () => {
      Atomics.store(signal, 1, 1)
      Atomics.notify(signal, 1)
      return over
    }
    return { over, leave }
  }

  /** Ends the thread, whatever it does. */
  kill(): Promise<void> {
    return this.#peer.kill()
  }
}

interface Held {
  readonly over: Promise<void>
  leave(): Promise<void>
}
