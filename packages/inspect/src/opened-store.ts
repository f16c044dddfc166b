/** A store that is open while it is asked, and a little longer: as long as it is, nobody can write to it. */

import { openStore, sessionOf } from '../../../ts/cli/open-store.js'
import type { Session } from '../../../ts/objects/session.js'
import type { Store } from '../../../ts/objects/store.js'
import type { Places } from './places.js'

/** How long it stays open for the next question, in milliseconds. */
const IDLE = 1000

export class OpenedStore {
  readonly #path: string
  #store: Store | undefined
  #users = 0
  #timer: NodeJS.Timeout | undefined
  /** The commits that the store had when it was opened: with one more, it is another one. */
  #commits = -1
  /** Where the entries of large containers are, as long as nobody commits. */
  readonly places = new Map<number, Places>()

  constructor(path: string) {
    this.#path = path
  }

  /** Opens it, where it is not; it stays open at least until what this gives is disposed of. */
  hold(): Disposable {
    this.#open()
    clearTimeout(this.#timer)
    this.#users += 1
    return { [Symbol.dispose]: () => this.#release() }
  }

  #release(): void {
    this.#users -= 1
    if (this.#users === 0) this.#timer = setTimeout(() => this.close(), IDLE).unref()
  }

  /** What reads it, in this turn of the event loop. */
  get session(): Session {
    const session = sessionOf(this.#store!)
    session.look()
    return session
  }

  get commits(): number {
    return this.#commits
  }

  #open(): void {
    if (this.#store) return
    this.#store = openStore(this.#path)
    const { commits } = this.#store.stats()
    if (commits !== this.#commits) this.places.clear()
    this.#commits = commits
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#store?.close()
    this.#store = undefined
  }
}
