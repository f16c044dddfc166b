import type { Figures } from './measure.mjs'
import type { Operation } from './suite.mjs'

const NAME = 32
const NUMBER = 10
const line = (name: string, cells: readonly string[]): string =>
  name.padEnd(NAME) + cells.map((cell) => cell.padStart(NUMBER)).join('')
const group = (title: string): string => title.padStart(3 * NUMBER)

export const heading = [
  line('', [group('median of rounds'), group('fastest round')]),
  line('operation', ['C', 'JS', 'ratio', 'C', 'JS', 'ratio']) + '   goal',
].join('\n')

export function row({ name, goal }: Operation, { c, js }: Figures): string {
  // Round by round, since both sides of a round met about the same speed of the machine.
  const ratio = median(js.map((time, round) => time / c[round]!))
  const fastest = [Math.min(...c), Math.min(...js)] as const
  const cells = [nanoseconds(median(c)), nanoseconds(median(js)), ratio.toFixed(2)]
  cells.push(...fastest.map(nanoseconds), (fastest[1] / fastest[0]).toFixed(2))
  const verdict = goal === undefined ? '' : `   ${ratio <= goal ? 'within' : 'above'} ${goal}`
  return line(name, cells) + verdict
}

function nanoseconds(time: number): string {
  return time.toFixed(time < 100 ? 1 : 0)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}
