import type { Container, Session } from './session.js'

/** What was changed in a container. */
export interface Change {
  /** The keys, indexes or names at which something was changed; absent where all of it may have been. */
  readonly keys?: readonly unknown[]
}

interface Watch {
  readonly container: Container
  readonly callback: (change: Change) => void
}

/** Those who watch containers of a store. */
export class Watches {
  readonly #watches = new Set<Watch>()

  constructor(readonly session: Session) {}

  add(container: Container, callback: (change: Change) => void): () => void {
    const watch = { container, callback }
    this.#watches.add(watch)
    return () => void this.#watches.delete(watch)
  }
}
