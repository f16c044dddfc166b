import { Committer } from '../shared/committer.js'
import { closed } from '../shared/errors.js'
import { native } from '../shared/native.js'

/** Closes journals that are collected without having been closed. */
const collected = new FinalizationRegistry(native.journalClose)

/** What all parts of an open journal have: its handle, until it is closed. */
export class Opened {
  /** 0 once closed. */
  #handle: number
  readonly path: string
  readonly readonly: boolean
  /** Work that was put off. */
  readonly committer = new Committer()
  /** What closing ends: waits, and the locks of cursors. */
  readonly #endings = new Set<() => void>()

  constructor(handle: number, path: string, readonly: boolean) {
    this.#handle = handle
    this.path = path
    this.readonly = readonly
    collected.register(this, handle, this)
  }

  get closed(): boolean {
    return this.#handle === 0
  }

  /** The handle, which only an open journal has. */
  handle(): number {
    if (this.#handle === 0) throw closed('journal', this.path)
    return this.#handle
  }

  /** Has closing call a function, which may not throw, unless the function that this returns is called before. */
  onClose(ending: () => void): () => void {
    this.#endings.add(ending)
    return () => void this.#endings.delete(ending)
  }

  /** Finishes what is pending, and closes; closing again does nothing. */
  close(): void {
    if (this.#handle === 0) return
    const handle = this.#handle
    this.#handle = 0
    for (const end of this.#endings) end()
    this.#endings.clear()
    collected.unregister(this)
    native.journalClose(handle)
    this.committer.settle()
  }
}
