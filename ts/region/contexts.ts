/** Scopes that end with a flush or a drain, and by default with unmapping. */

import { isThenable, toBoolean } from '../shared/arguments.js'
import { wrongType } from '../shared/errors.js'
import { type Names, toOptions } from '../shared/options.js'
import { type AnyRegion, type Region, toRegion } from './region.js'

/** How a context ends. */
export interface ContextOptions {
  /** Whether the region is unmapped at the end. Default: true. */
  unmap?: boolean
}

const CONTEXT_OPTIONS: Names<ContextOptions> = { unmap: true }

abstract class Context<Mapped extends AnyRegion = Region> implements Disposable {
  /** The region in whose scope this is. */
  readonly region: Mapped
  readonly #unmap: boolean

  constructor(region: Mapped, options?: ContextOptions) {
    requireOpen(toRegion(region))
    this.region = region
    this.#unmap = toBoolean('unmap', toOptions(options, CONTEXT_OPTIONS).unmap ?? true)
  }

  protected abstract settle(): void

  /**
   * Calls `body` with the region and ends the context, also when `body` throws; where that gives a promise, or whatever has
   * a method `then`, once it settles.
   */
  run<T>(body: (region: Mapped) => T): T {
    requireOpen(this.region)
    if (typeof body !== 'function') throw wrongType('body', 'a function', body)
    let result: T
    let isPending: boolean
    try {
      result = body(this.region)
      isPending = isThenable(result)
    } catch (error) {
      this.#abandon()
      throw error
    }
    if (!isPending) return this.#end(result)
    return Promise.resolve(result).then((value) => this.#end(value), (error) => this.#fail(error)) as T
  }

  /** Ends the context. Nothing is left to do where the region is closed already. */
  [Symbol.dispose](): void {
    if (this.region.closed) return
    try {
      this.settle()
    } finally {
      if (this.#unmap) this.region.close()
    }
  }

  #end<T>(value: T): T {
    this[Symbol.dispose]()
    return value
  }

  #fail(error: unknown): never {
    this.#abandon()
    throw error
  }

  /** Ends the context after a failure, whose error goes before one of the ending. */
  #abandon(): void {
    try {
      this[Symbol.dispose]()
    } catch {
      return
    }
  }
}

function requireOpen(region: AnyRegion): void {
  void region.byteLength
}

/**
 * A scope that flushes the whole region at its end (libpmem's `pmem_flush`), and unmaps it by default.
 *
 * On page-cache files that is an msync, and durable. On persistent memory a {@link drain} must follow, of which one
 * serves several contexts.
 *
 * @example
 * import { pmem } from 'pmem'
 *
 * const region = pmem.mapFile('flushed.dat', { length: 4096, create: true })
 * new pmem.FlushContext(region, { unmap: false }).run((region) => region.write('several ranges'))
 * pmem.drain(region)
 * region.close()
 */
export class FlushContext<Mapped extends AnyRegion = Region> extends Context<Mapped> {
  protected settle(): void {
    this.region.flush()
  }
}

/**
 * A scope that drains at its end (libpmem's `pmem_drain`), and unmaps by default. It completes flushes made inside; by
 * itself it makes nothing durable on page-cache files.
 *
 * @example
 * import { pmem } from 'pmem'
 *
 * const region = pmem.mapFile('drained.dat', { length: 4096, create: true })
 * new pmem.DrainContext(region).run((region) => {
 *   region.write('one')
 *   region.flush(0, 3)
 * })
 */
export class DrainContext<Mapped extends AnyRegion = Region> extends Context<Mapped> {
  protected settle(): void {
    this.region.drain()
  }
}
