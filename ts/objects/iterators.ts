/** Iterators over live objects. */

/** What goes through entries. */
export interface Steps {
  /** Goes to the next one; false at the end, which stays so. */
  next(): boolean
  /** Live objects are made for what is asked for. */
  readonly key: unknown
  readonly value: unknown
}

/** What a Map's iterators are, whatever the compiler's release calls them. */
export type ValuesOf<T> = ReturnType<Map<unknown, T>['values']>

/** What an iterator gives of an entry. */
export type Pick<T> = (steps: Steps) => T

export const pickKey: Pick<unknown> = (steps) => steps.key
export const pickValue: Pick<unknown> = (steps) => steps.value
export const pickEntry: Pick<[unknown, unknown]> = (steps) => [steps.key, steps.value]

class LiveIterator<T> implements Iterator<T, undefined, undefined> {
  readonly #steps: Steps
  readonly #pick: Pick<T>

  constructor(steps: Steps, pick: Pick<T>) {
    this.#steps = steps
    this.#pick = pick
  }

  next(): IteratorResult<T, undefined> {
    if (!this.#steps.next()) return { value: undefined, done: true }
    return { value: this.#pick(this.#steps), done: false }
  }
}

Object.setPrototypeOf(LiveIterator.prototype, Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())) as object)

/** An iterator with all that a Map's has. Nothing is read before its first step. */
export function iterate<T>(steps: Steps, pick: Pick<T>): ValuesOf<T> {
  return new LiveIterator(steps, pick) as unknown as ValuesOf<T>
}

/** The first of what an iterator would give. */
export function firstOf<T>(steps: Steps, pick: Pick<T>, most: number): T[] {
  const found: T[] = []
  while (found.length < most && steps.next()) found.push(pick(steps))
  return found
}
