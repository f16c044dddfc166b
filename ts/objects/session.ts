import { closed, detached, readonlyStore } from '../shared/errors.js'
import { stagedNumbers } from '../shared/frame.js'
import { native } from '../shared/native.js'
import * as calls from './calls.js'
import type { Classes } from './classes.js'
import { Shapes } from './shapes.js'
import type { Glance } from './show.js'
import type { Kind, Writer } from './values.js'

/** Closes stores that are collected without having been closed. */
const collected = new FinalizationRegistry(native.objectsClose)

/** How many ids are fetched at once. */
const IDS = 256

/** What is behind a live object: a container of a store, as this thread sees it. */
export abstract class Container {
  /** The session's epoch in which its cache was filled. */
  epoch = 0
  /** Counts its changes, as far as this thread has seen them. */
  version = 0
  /** Why it is of no store any more. */
  gone: string | undefined

  /** @param id 0 for an instance that is not stored yet */
  constructor(
    public session: Session,
    readonly kind: Kind,
    public id: number,
  ) {}

  /** What is shown of it: at most so many of its entries. */
  abstract glance(most: number): Glance

  /** What it has cached is out of date. */
  change(): void {
    this.version += 1
    this.epoch = 0
  }

  /** Sees to it that what is read is of this turn. */
  look(): void {
    if (!this.session.current) this.session.look()
    if (this.gone !== undefined) throw detached(this.session.path, this.gone)
  }

  /** Sees to it that it can be changed. */
  touch(): number {
    if (this.gone !== undefined) throw detached(this.session.path, this.gone)
    const handle = this.session.handle()
    this.session.checkWritable()
    return handle
  }
}

/** The containers behind live objects. */
export const containers = new WeakMap<object, Container>()

/** The pin of a live object. */
interface Held {
  readonly id: number
  readonly reference: WeakRef<object>
}

/** What a thread has of an open store, or of a snapshot of one: a view, a transaction, and the live objects. */
export class Session {
  /** 0 once closed. */
  #handle: number
  /** Counts the times at which everything that is cached may be out of date. */
  epoch = 1
  /** Whether the view is this turn's, or a transaction's, or a snapshot's. */
  current = false
  /** How many transactions are open, one in the other. */
  depth = 0
  readonly shapes = new Shapes(this)
  readonly #live = new Map<number, WeakRef<object>>()
  /** What was made in the open transactions. */
  readonly #made: number[] = []
  /** How many those were at the begin of each. */
  readonly #marks: number[] = []
  #isLeaving = false
  #nextId = 0
  #ids = 0
  readonly #collected = new FinalizationRegistry<Held>((held) => this.#forget(held))
  /** What closing ends. */
  readonly #endings: ((handle: number) => void)[] = []
  readonly #leave = () => this.#leaveTurn()

  constructor(
    handle: number,
    readonly path: string,
    readonly readonly: boolean,
    readonly isSnapshot: boolean,
    readonly classes: Classes,
  ) {
    this.#handle = handle
    collected.register(this, handle, this)
  }

  get closed(): boolean {
    return this.#handle === 0
  }

  /** The handle, which only an open store has. */
  handle(): number {
    if (this.#handle === 0) throw closed(this.isSnapshot ? 'snapshot of the store' : 'store', this.path)
    return this.#handle
  }

  checkWritable(): void {
    if (this.readonly) throw readonlyStore(this.path, this.isSnapshot)
  }

  /** Begins to see the last commit, until the turn ends. */
  look(): void {
    if (this.current) return
    this.refresh()
    if (this.#isLeaving) return
    this.#isLeaving = true
    queueMicrotask(this.#leave)
  }

  /** Sees the last commit. */
  refresh(): void {
    const count = calls.refresh(this.handle())
    this.current = true
    if (count < 0) this.epoch += 1
    for (let index = 0; index < count; index += 1) this.#containerOf(stagedNumbers[index]!)?.change()
  }

  #leaveTurn(): void {
    this.#isLeaving = false
    if (!this.current || this.depth > 0 || this.#handle === 0) return
    this.current = false
    calls.endTurn(this.#handle)
  }

  /** Carries commands out: within the open transaction, or as one. The last one's first result. */
  apply(commands: Writer): number {
    // Its own transaction sees others' commits: what is read next looks for them.
    if (this.depth === 0) this.current = false
    return calls.apply(this.handle(), commands)
  }

  begin(): void {
    calls.begin(this.handle())
    this.#begun()
  }

  tryBegin(): boolean {
    if (!calls.tryBegin(this.handle())) return false
    this.#begun()
    return true
  }

  #begun(): void {
    this.depth += 1
    this.#marks.push(this.#made.length)
    if (this.depth === 1) this.refresh()
  }

  commit(): void {
    try {
      calls.commit(this.handle())
    } catch (error) {
      this.#takeBack(this.#ended(), 'the transaction that made it failed')
      throw error
    }
    this.#ended()
    if (this.depth === 0) this.#made.length = 0
  }

  rollback(): void {
    const mark = this.#ended()
    try {
      calls.rollback(this.handle())
    } finally {
      this.#takeBack(mark, 'the transaction that made it was rolled back')
    }
  }

  /** Does work in the open transaction, or in one of its own. */
  atomically<T>(work: () => T): T {
    return this.depth > 0 ? work() : this.transaction(work)
  }

  /** As `atomically`, but where work throws, what it has changed before stays. */
  together<T>(work: () => T): T {
    return this.atomically(() => {
      try {
        const result = work()
        return () => result
      } catch (error) {
        return () => {
          throw error
        }
      }
    })()
  }

  /** Does work in a transaction, which is rolled back where it throws. */
  transaction<T>(work: () => T): T {
    this.begin()
    return this.run(work)
  }

  /** Does work in the transaction that was just begun, and ends it. */
  run<T>(work: () => T): T {
    let result: T
    try {
      result = work()
    } catch (error) {
      // Where the store was closed meanwhile, it is rolled back.
      if (!this.closed) this.rollback()
      throw error
    }
    this.commit()
    return result
  }

  /** How much was made before. */
  #ended(): number {
    this.depth -= 1
    if (this.depth === 0) this.current = false
    return this.#marks.pop()!
  }

  /** What was made since was not. */
  #takeBack(mark: number, why: string): void {
    this.epoch += 1
    this.shapes.clear()
    for (const id of this.#made.splice(mark)) this.#detach(id, why)
  }

  #detach(id: number, why: string): void {
    const container = this.#containerOf(id)
    if (!container) return
    container.gone = why
    container.change()
    this.#live.delete(id)
  }

  /** An id that no container has had. */
  newId(): number {
    if (this.#ids === 0) {
      this.#nextId = calls.reserveIds(this.handle(), IDS)
      this.#ids = IDS
    }
    this.#ids -= 1
    return this.#nextId++
  }

  /** The live object of a container, where there is one. */
  liveOf(id: number): object | undefined {
    return this.#live.get(id)?.deref()
  }

  #containerOf(id: number): Container | undefined {
    const object = this.liveOf(id)
    return object && containers.get(object)
  }

  /** A container has a live object from now on, which keeps it. */
  keep(container: Container, object: object): void {
    const { id } = container
    calls.pin(this.handle(), id)
    const reference = new WeakRef(object)
    this.#live.set(id, reference)
    this.#collected.register(object, { id, reference })
  }

  /** What was made of a container is not its live object any more. */
  forget(id: number): void {
    this.#live.delete(id)
  }

  /** A container was made by the open transaction. */
  made(id: number): void {
    if (this.depth > 0) this.#made.push(id)
  }

  #forget({ id, reference }: Held): void {
    if (this.#live.get(id) === reference) this.#live.delete(id)
    if (this.#handle !== 0) calls.unpin(this.#handle, id)
  }

  /** Has closing call a function with the handle, which may not throw. */
  onClose(ending: (handle: number) => void): void {
    this.#endings.push(ending)
  }

  /** Rolls an open transaction back, and closes; closing again does nothing. */
  close(): void {
    if (this.#handle === 0) return
    const handle = this.#handle
    this.#handle = 0
    this.current = false
    this.depth = 0
    for (const end of this.#endings) end(handle)
    collected.unregister(this)
    native.objectsClose(handle)
  }
}
