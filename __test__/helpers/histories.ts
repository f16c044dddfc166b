/** What each of many places may have after a power cut: words of a region, blocks of an array. */
export class Histories<V> {
  readonly #of = new Map<number, { passed: number; values: readonly V[] }>()

  /** @param first what a place has of which nothing is known */
  constructor(readonly first: V) {}

  /** This value is about to be stored. */
  begin(place: number, value: V): void {
    const { passed, values } = this.#at(place)
    this.#of.set(place, { passed, values: [...values, value] })
  }

  /** How many values a place was given so far. */
  count(place: number): number {
    const { passed, values } = this.#at(place)
    return passed + values.length
  }

  /** The last one of so many values is durable: a place has it, or a later one. */
  acknowledge(place: number, count = this.count(place)): void {
    const { passed, values } = this.#at(place)
    const older = count - 1 - passed
    if (older > 0) this.#of.set(place, { passed: passed + older, values: values.slice(older) })
  }

  /** What each place may have by now. Those that are left out have the first value. */
  known(): ReadonlyMap<number, readonly V[]> {
    return new Map([...this.#of].map(([place, { values }]) => [place, values]))
  }

  #at(place: number) {
    return this.#of.get(place) ?? { passed: 0, values: [this.first] }
  }
}
