export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

/** What lies between the lowest quarter of the values and the highest. */
export function middleHalf(values: readonly number[]): readonly [number, number] {
  return [quantile(values, 0.25), quantile(values, 0.75)]
}

/** The value below which the given part of them lies, between two of them in proportion. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const at = part * (sorted.length - 1)
  const below = sorted[Math.floor(at)]!
  return below + (sorted[Math.ceil(at)]! - below) * (at % 1)
}

/** The mean without the two lowest and the two highest values, as mitata and bench/c/harness.c have it. */
export function trimmedMean(values: readonly number[]): number {
  const kept = values.length < 12 ? values : values.toSorted((a, b) => a - b).slice(2, -2)
  return kept.reduce((sum, value) => sum + value, 0) / kept.length
}
