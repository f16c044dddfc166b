/** What the server asks of each kind of file. */

/** What the page asks for: names and values. */
export class Query {
  constructor(readonly parameters: URLSearchParams) {}

  text(name: string): string {
    const text = this.parameters.get(name)
    if (text === null) throw new BadQuery(`${name} is missing`)
    return text
  }

  number(name: string): number {
    const number = Number(this.text(name))
    if (/^\d+$/.test(this.text(name)) && Number.isSafeInteger(number)) return number
    throw new BadQuery(`${name} is a whole number, not '${this.text(name)}'`)
  }

  /** How many are asked for, of which nobody gets more than `most`. */
  count(most: number): number {
    return Math.min(this.number('count'), most)
  }
}

/** It was asked for something that nothing answers. */
export class BadQuery extends Error {}

/** What answers for a file. */
export interface View {
  /** Answers: bytes as they are, anything else as JSON. */
  readonly answers: Readonly<Record<string, (query: Query) => unknown>>
  /** Answers that go on: an event each, until they end or the page has enough. */
  readonly streams: Readonly<Record<string, (query: Query, signal: AbortSignal) => AsyncIterable<unknown>>>
  close(): void
}
