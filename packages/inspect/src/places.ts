/** Entries by their place in a container, of whatever kind it is. */

import { setImmediate } from 'node:timers/promises'
import { contentsOf } from '../../../ts/objects/contents.js'
import { type Bound, readEntries, readItems, readRange, readShaped } from '../../../ts/objects/reading.js'
import type { Session } from '../../../ts/objects/session.js'
import { KIND, type Reference } from '../../../ts/objects/values.js'

/** A key and a value. */
export type Entry = readonly [unknown, unknown]

/** Where reading goes on: behind the entry of a number, or of a key; undefined at the beginning. */
type Mark = number | Bound | undefined

/** A mark is kept of each so manieth entry, and so many of them are passed in one turn of the event loop. */
const [STEP, TURN] = [1000, 10]

/** Finds entries by their places: those of maps and sets by marks on the way to them, which are made once. */
export class Places {
  readonly #reference: Reference
  readonly #marks: Mark[] = [undefined]
  /** Only one at a time makes marks. */
  #marking: Promise<void> = Promise.resolve()

  constructor(reference: Reference) {
    this.#reference = reference
  }

  /** At most so many entries from a place on. */
  async read(session: () => Session, from: number, count: number): Promise<Entry[]> {
    const { kind, id } = this.#reference
    if (kind === KIND.array) return readItems(session(), id, from, count).map((item, index) => [from + index, item])
    if (isRecord(session(), this.#reference)) return [...contentsOf(session(), this.#reference)].slice(from, from + count)
    const step = Math.floor(from / STEP)
    const marking = this.#marking.then(() => this.#mark(session, step))
    this.#marking = marking.catch(() => {})
    await marking
    if (step >= this.#marks.length) return []
    const { entries } = this.#some(session(), this.#marks[step], from - step * STEP + count)
    return entries.slice(from - step * STEP)
  }

  /** Makes marks up to one, or to the last one that there is. */
  async #mark(session: () => Session, step: number): Promise<void> {
    for (let passed = 1; this.#marks.length <= step; passed += 1) {
      const { entries, mark } = this.#some(session(), this.#marks.at(-1), STEP)
      if (entries.length < STEP) return
      this.#marks.push(mark)
      if (passed % TURN === 0) await setImmediate()
    }
  }

  /** So many entries from a mark on, fewer only at the end; and the mark behind them. */
  #some(session: Session, start: Mark, count: number): { entries: Entry[]; mark: Mark } {
    const entries: Entry[] = []
    let mark = start
    while (entries.length < count) {
      const next = this.#next(session, mark, count - entries.length)
      if (next.entries.length === 0) break
      entries.push(...next.entries)
      mark = next.mark
    }
    return { entries, mark }
  }

  #next(session: Session, mark: Mark, most: number): { entries: Entry[]; mark: Mark } {
    const { kind, id } = this.#reference
    if (kind === KIND.sortedMap) {
      const { keys, values } = readRange(session, id, false, mark as Bound | undefined, undefined, most)
      return { entries: keys.map((key, index) => [key, values[index]]), mark: keys.length > 0 ? { key: keys.at(-1)!, isOut: true } : mark }
    }
    const { keys, values, numbers } = readEntries(session, id, kind, (mark as number | undefined) ?? -1, most)
    return { entries: keys.map((key, index) => [key, kind === KIND.set ? key : values[index]]), mark: numbers.at(-1) ?? mark }
  }
}

/** Whether a container is an object that has few fields. */
function isRecord(session: Session, { kind, id }: Reference): boolean {
  return (kind === KIND.object || kind === KIND.instance) && !readShaped(session, id).header.isDictionary
}
