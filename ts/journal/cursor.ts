import { type Size, toInteger } from '../shared/arguments.js'
import { INSIDE, requireInside } from '../shared/inside.js'
import { inspectAs } from '../shared/inspect.js'
import { native } from '../shared/native.js'
import type { Opened } from './opened.js'
import { type CommitOptions, positionOf, toForce } from './options.js'

/** Makes a cursor of a journal. */
export let newCursor: (journal: Opened, name: string) => Cursor

/**
 * A named position in a journal, which is kept with it: how far some reader has come. `journal.cursor` gives it. It is made
 * by its first commit.
 */
export class Cursor {
  readonly #journal: Opened
  readonly #name: string

  static {
    newCursor = (journal, name) => new Cursor(INSIDE, journal, name)
    inspectAs(Cursor.prototype, (cursor) => ({ known: { name: cursor.name }, details: () => ({ position: cursor.position }) }))
  }

  private constructor(key: typeof INSIDE, journal: Opened, name: string) {
    requireInside(key, 'Cursor', 'cursor of a journal')
    this.#journal = journal
    this.#name = name
  }

  get name(): string {
    return this.#name
  }

  /** The sequence of the next record to be handled; for a cursor that was never committed, the journal's oldest one. */
  get position(): number {
    this.#journal.handle()
    return positionOf(this.#journal, this.#name)
  }

  /**
   * Notes that the record of a sequence, and all before it, were handled: durable on return. The position is the sequence
   * behind it. It never goes back, unless `force` is true: an older sequence changes nothing.
   *
   * @param sequence - With `force`, `position - 1` of where to go to, which is -1 for the first record of all.
   * @throws `ERR_OUT_OF_RANGE` from the journal's `next` on.
   */
  commit(sequence: Size, options?: CommitOptions): void {
    this.#journal.handle()
    const force = toForce(options)
    const position = toInteger('sequence', sequence, -1, Number.MAX_SAFE_INTEGER - 1) + 1
    native.journalCommitCursor(this.#journal.handle(), this.#name, position, force)
  }

  /**
   * Removes the cursor, durably. One that is not there is removed already.
   *
   * @throws `EAGAIN` while someone consumes by it.
   */
  delete(): void {
    native.journalDeleteCursor(this.#journal.handle(), this.#name)
  }
}
