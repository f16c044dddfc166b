/** A log's bytes as they come. */

import { setImmediate } from 'node:timers/promises'
import type { Size } from '../shared/arguments.js'
import { rewound } from '../shared/errors.js'
import type { Names } from '../shared/options.js'
import type { Signal } from '../shared/signal.js'
import { Backoff, type Early, wake } from '../shared/waiting.js'

/** What of a log is followed, and how. */
export interface LogFollowOptions {
  /** The first byte. Default: 0. */
  from?: Size
  /** The most bytes of a chunk. Default: 64 KiB. */
  chunk?: Size
  /** Ends it: once aborted, the iteration throws the signal's reason. */
  signal?: Signal
}

export const FOLLOW_OPTIONS: Names<LogFollowOptions> = { from: true, chunk: true, signal: true }

/** How many bytes are given without a turn of the event loop between. */
const TURN = 1 << 20

/** What is followed. */
export interface Followed {
  readonly closed: boolean
  /** How many bytes there are. */
  look(): number
  /** How often they were given up for others. */
  rewinds(): number
  /** Reads what there is. */
  read(offset: number, length: number): Buffer
  /** Waits so long, or until it was changed or closed, or `early` is woken. */
  wait(ms: number, held: number, signal: Signal | undefined): Promise<void>
  /** What ends its waits. */
  readonly early: Early
}

/** The arguments of {@link follow}, checked. */
export interface Following {
  readonly from: number
  readonly size: number
  readonly signal: Signal | undefined
}

/** An iterator over a log's bytes from an offset on: those that there are, and those that come. */
export function follow(log: Followed, following: Following): AsyncGenerator<Buffer, void, undefined> {
  const state = { isOver: false }
  const chunks = chunksOf(log, following, state)
  const end = chunks.return.bind(chunks)
  // A generator would end only after what its last step waits for.
  return Object.assign(chunks, {
    return(value: void | PromiseLike<void>) {
      state.isOver = true
      wake(log.early)
      return end(value)
    },
  })
}

async function* chunksOf(log: Followed, { from, size, signal }: Following, state: { isOver: boolean }) {
  const backoff = new Backoff()
  let [offset, given, before] = [from, 0, -1]
  while (!state.isOver) {
    if (signal?.aborted) throw signal.reason
    if (log.closed) return
    // A rewind between the two must be seen as one after both.
    if (before === -1) before = log.rewinds()
    const held = log.look()
    const length = Math.min(size, held - offset)
    const bytes = length > 0 ? log.read(offset, length) : undefined
    if (log.rewinds() !== before) throw rewound()
    if (bytes === undefined) {
      await log.wait(backoff.next(), held, signal)
      continue
    }
    backoff.reset()
    offset += length
    given += length
    yield bytes
    if (given < TURN) continue
    given = 0
    await setImmediate()
  }
}
