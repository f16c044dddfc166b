// Figures, and how they are written.

/** The lowest, the middle and the highest of some values. */
export function spread(values) {
  const sorted = values.toSorted((a, b) => a - b)
  return { low: sorted[0], middle: sorted[Math.floor(sorted.length / 2)], high: sorted.at(-1) }
}

const UNITS = [[1e9, 's'], [1e6, 'ms'], [1e3, 'us'], [1, 'ns']]

/** Three digits, with a unit for times: 812 ns, 3.1 us, 4.05 ms. */
export function written(value, unit) {
  if (unit === 'rate') return `${Math.round(value).toLocaleString('en')}/s`
  if (unit !== 'time') return digits(value)
  if (value === 0) return '0'
  const [size, name] = UNITS.find(([least]) => value >= least) ?? [1, 'ns']
  return `${digits(value / size)} ${name}`
}

function digits(value) {
  if (value >= 100) return Math.round(value).toLocaleString('en')
  return String(Number(value.toPrecision(3)))
}

/** By how much a peer is better than ours, 2 for twice as good. */
export const better = (theirs, ours, unit) => (unit === 'rate' ? theirs / ours : ours / theirs)
