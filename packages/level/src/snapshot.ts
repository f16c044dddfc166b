import { AbstractSnapshot } from 'abstract-level'
import type { objects } from 'pmem'
import type { Entries, Root } from './entries.js'

/** A database as it was. It keeps space until it is closed. */
export class PmemSnapshot extends AbstractSnapshot {
  readonly #snapshot: objects.Snapshot<Root>
  readonly entries: Entries

  constructor(store: objects.Store<Root>, options: object) {
    // The types leave out the constructor's argument.
    super(...([options] as unknown as []))
    this.#snapshot = store.snapshot() as objects.Snapshot<Root>
    this.entries = this.#snapshot.root.level
  }

  async _close(): Promise<void> {
    this.#snapshot.close()
  }
}
