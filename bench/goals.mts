import type { Figures, Unit } from './row.mjs'
import { median, middleHalf } from './statistics.mjs'

/** A limit, and what it is for: our figure, ours divided by theirs, or theirs divided by ours. */
export interface Goal {
  readonly of: 'ours' | 'ours by theirs' | 'theirs by ours'
  readonly sign: '<=' | '<' | '>=' | '>'
  readonly limit: number
}

/** In nanoseconds or bytes. */
export const atMost = (limit: number): Goal => ({ of: 'ours', sign: '<=', limit })
export const below = (limit: number): Goal => ({ of: 'ours', sign: '<', limit })

/** Of what the other side takes. */
export const timesTheirs = (limit: number): Goal => ({ of: 'ours by theirs', sign: '<=', limit })
export const belowTimesTheirs = (limit: number): Goal => ({ of: 'ours by theirs', sign: '<', limit })

/** Of the rate that the other side reaches. */
export const shareOfTheirs = (limit: number): Goal => ({ of: 'ours by theirs', sign: '>=', limit })

export const timesFaster = (limit: number): Goal => ({ of: 'theirs by ours', sign: '>=', limit })
export const faster: Goal = { of: 'theirs by ours', sign: '>', limit: 1 }

export type Verdict = 'met' | 'missed' | 'undecided'

export interface Judgement {
  /** What the goal is for: from the best rounds of both sides. */
  readonly best: number
  /** The same round by round, without the quarters at the ends. */
  readonly half: readonly [number, number]
  readonly verdict?: Verdict
  readonly reason?: string
}

/** How far apart the ends of the middle half may be, in parts of the median, before single rounds decide nothing. */
const NOISE = 0.5

/**
 * Compares figures with a goal, or with the other side where there is no goal. Best rounds and middle half have to agree.
 * Where the rounds are far apart, all of them have to.
 */
export function judge(goal: Goal | undefined, unit: Unit, { ours, theirs }: Figures): Judgement {
  const compare = comparison(goal?.of ?? (theirs.length > 0 ? 'ours by theirs' : 'ours'))
  const pick = unit === 'rate' ? Math.max : Math.min
  const best = compare(pick(...ours), pick(...theirs))
  const rounds = ours.map((figure, round) => compare(figure, theirs[round] ?? Number.NaN))
  const half = middleHalf(rounds)
  if (!goal) return { best, half }
  const noisy = half[1] - half[0] > NOISE * median(rounds)
  const deciding = [best, ...half, ...(noisy ? rounds : [])]
  const held = deciding.filter((value) => holds(goal, value)).length
  if (held === deciding.length) return { best, half, verdict: 'met' }
  if (held === 0) return { best, half, verdict: 'missed' }
  return { best, half, verdict: 'undecided', reason: noisy ? 'the rounds are far apart' : 'the rounds are on both sides' }
}

function comparison(of: Goal['of']): (ours: number, theirs: number) => number {
  if (of === 'ours') return (ours) => ours
  if (of === 'ours by theirs') return (ours, theirs) => ours / theirs
  return (ours, theirs) => theirs / ours
}

function holds({ sign, limit }: Goal, value: number): boolean {
  switch (sign) {
    case '<=':
      return value <= limit
    case '<':
      return value < limit
    case '>=':
      return value >= limit
    case '>':
      return value > limit
  }
}
