import type { Goal } from './goals.mjs'
import type { PeerName } from './peers.mjs'

/**
 * Where a row is measured: on tmpfs that counts as persistent memory, on a disk, or on a device that nothing else uses,
 * so that its counters are about the row alone.
 */
export type Place = 'memory' | 'disk' | 'device'

/** What the figures are: nanoseconds, bytes, or how many there are in a second. */
export type Unit = 'time' | 'bytes' | 'rate'

/** Measures once; resolves to one figure. */
export type Round = () => number | Promise<number>

/** Both sides of a row, whose rounds are taken in turns, so that a change of the machine's speed meets both. */
export interface Sides {
  readonly ours: Round
  readonly theirs?: Round
}

/** A line of the table. Each is measured in a process and a folder of its own, and so finds nothing that others left. */
export interface Row {
  readonly name: string
  readonly place: Place
  /** What `theirs` is: `C`, or what else does the same work. */
  readonly against?: string
  /** What must be installed for it. */
  readonly peer?: PeerName
  readonly goal?: Goal
  /** Time by default. */
  readonly unit?: Unit
  /** Fewer or more rounds than the place has. */
  readonly rounds?: number
  /** Makes in `folder`, which is new, what is measured. It stays open as long as the process. */
  open(folder: string): Sides | Promise<Sides>
}

/** What the process that measured a row tells of it: a figure a round and side, or why there is none. */
export interface Figures {
  readonly ours: readonly number[]
  readonly theirs: readonly number[]
}

export interface Failure {
  readonly reason: string
}
