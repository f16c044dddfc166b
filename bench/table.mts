import type { Goal, Judgement } from './goals.mjs'
import type { Figures, Row, Unit } from './row.mjs'
import { median } from './statistics.mjs'

const NAME = 46
const WIDTHS = [10, 10, 16, 10, 10, 10, 16, 11]

const line = (name: string, cells: readonly string[]): string =>
  name.padEnd(NAME) + cells.map((cell, column) => cell.padStart(WIDTHS[column]!)).join('')

const columns = ['ours', 'median', 'beside', 'its best', 'median', 'measured', 'middle half', 'goal']
export const heading = `${line('best and median of the rounds', columns)}   verdict`

export function format(row: Row, figures: Figures, judgement: Judgement): string {
  const unit = row.unit ?? 'time'
  const side = (values: readonly number[]): string[] => {
    if (values.length === 0) return ['', '']
    const best = unit === 'rate' ? Math.max(...values) : Math.min(...values)
    return [amount(best, unit), amount(median(values), unit)]
  }
  const absolute = row.goal ? row.goal.of === 'ours' : figures.theirs.length === 0
  const compared = (value: number): string => (absolute ? amount(value, unit) : `${digits(value)}x`)
  const { best, half, verdict = '', reason } = judgement
  const cells = [...side(figures.ours), row.against ?? '', ...side(figures.theirs)]
  cells.push(compared(best), range(half, absolute ? unit : undefined), row.goal ? limit(row.goal, unit) : '')
  return `${line(row.name, cells)}   ${verdict}${reason ? `: ${reason}` : ''}`
}

/** A row without figures. */
export function formatMissing(row: Row, reason: string): string {
  const goal = row.goal ? limit(row.goal, row.unit ?? 'time') : ''
  return `${line(row.name, ['', '', row.against ?? '', '', '', '', '', goal])}   undecided: ${reason}`
}

function limit(goal: Goal, unit: Unit): string {
  return `${goal.sign} ${goal.of === 'ours' ? amount(goal.limit, unit) : `${goal.limit}x`}`
}

/** From one to the other; the unit once, where it is one. */
function range([from, to]: readonly [number, number], unit: Unit | undefined): string {
  if (!unit) return `${digits(from)}-${digits(to)}`
  const [low, high] = [amount(from, unit), amount(to, unit)]
  const [size, name] = low.split(' ')
  return name !== undefined && high.endsWith(` ${name}`) ? `${size}-${high}` : `${low}-${high}`
}

/** With its unit, in three digits. */
function amount(value: number, unit: Unit): string {
  if (unit === 'rate') return `${Math.round(value)}/s`
  const steps = unit === 'time' ? TIMES : SIZES
  const [size, name] = steps.find(([least]) => value >= least) ?? steps.at(-1)!
  return `${digits(value / size)} ${name}`
}

const TIMES = [[1e9, 's'], [1e6, 'ms'], [1e3, 'us'], [1, 'ns']] as const
const SIZES = [[1 << 20, 'MiB'], [1 << 10, 'KiB'], [1, 'B']] as const

function digits(value: number): string {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0).replace(/\.0+$/, '')
}
