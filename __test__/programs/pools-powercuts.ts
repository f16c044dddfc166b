/**
 * A process that changes a log or an array of blocks at random, and what power cuts leave of that: also of its being opened again after one,
 * which is cut again.
 */

import { join } from 'node:path'
import { pmemblk, pmemlog } from 'pmem'
import { chance } from '../helpers/chance.js'
import { Histories } from '../helpers/histories.js'
import { blockOf, blockNumberOf, recordOf, recordsIn } from '../helpers/pools-powercuts.js'
import { type AskedFor, type Image, Recording, cutOpenings, recorded } from '../helpers/powercuts.js'

export interface Asked extends AskedFor {
  readonly kind: 'log' | 'blk'
  readonly steps: number
}

/** What has to be there after a cut. */
export interface Known {
  /** Whether the pool was made. */
  readonly made: boolean
  /** A log is as it was in one of these states, the records of each by their numbers. */
  readonly states?: readonly (readonly number[])[]
  /** What each block may have, by the numbers of what was written. */
  readonly blocks?: ReadonlyMap<number, readonly number[]>
}

export interface Told {
  readonly points: number
  readonly images: readonly Image<Known>[]
  /** How often what was done. */
  readonly counts: Readonly<Record<string, number>>
}

/** A random program over a kind of pools. */
interface Work {
  known(): Known
  /** Opens the pool, makes it where that is to be done, and does so many steps. */
  run(path: string, steps: number): Promise<void>
  /** Takes what is there for all that is known. */
  look(path: string): void
}

const { asked, tell } = recorded<Asked>()
const random = chance(asked.seed)
const counts: Record<string, number> = {}
const times = <T>(count: number, make: (at: number) => T) => Array.from({ length: count }, (_, at) => make(at))

let recording: Recording<Known>
let made = false
let sequence = 0

function step<K extends string>(names: readonly K[]): K {
  const name = names[random(names.length)]!
  counts[name] = (counts[name] ?? 0) + 1
  return name
}

function logs(): Work {
  /** The states since the last one that was acknowledged, and how many were so before. */
  let [passed, states] = [0, [[]] as (readonly number[])[]]
  const known = () => ({ made, states })
  const mark = () => recording.mark(known())

  /** The log is about to have these records besides, or none at all. How many states there were then. */
  function begin(records: readonly number[] | undefined): number {
    states = [...states, records === undefined ? [] : [...states.at(-1)!, ...records]]
    mark()
    return passed + states.length
  }

  function acknowledge(count: number): void {
    const older = count - 1 - passed
    if (older > 0) [passed, states] = [passed + older, states.slice(older)]
    mark()
  }

  function next(): { text: string; state: number } {
    sequence += 1
    return { text: recordOf(sequence), state: begin([sequence]) }
  }

  const steps: Record<string, (log: pmemlog.Log) => void | Promise<void>> = {
    append(log) {
      const { text, state } = next()
      if (asked.hasty) acknowledge(state)
      log.append(text)
      acknowledge(state)
    },
    appendv(log) {
      const parts = times(1 + random(4), () => (sequence += 1))
      const state = begin(parts)
      log.appendv(parts.map(recordOf))
      acknowledge(state)
    },
    appendMany(log) {
      const records = times(1 + random(random(8) === 0 ? 60 : 5), next)
      log.appendMany(records.map(({ text }) => text))
      acknowledge(records.at(-1)!.state)
    },
    async appendAsync(log) {
      const durable = times(1 + random(6), async () => {
        const { text, state } = next()
        await log.appendAsync(text)
        acknowledge(state)
      })
      if (random(3) === 0) steps['append']!(log)
      if (random(3) === 0) steps['rewind']!(log)
      await Promise.all(durable)
    },
    rewind(log) {
      const state = begin(undefined)
      log.rewind()
      acknowledge(state)
    },
  }
  const names = ['append', 'append', 'appendv', 'appendMany', 'appendMany', 'appendAsync', 'appendAsync', 'rewind']

  const open = (path: string) => {
    const log = pmemlog.open(path, { engine: 'rust', create: true, sparse: random(2) === 0 })
    made = true
    mark()
    return log
  }

  return {
    known,
    async run(path, most) {
      let log = open(path)
      for (let left = most; left > 0; left -= 1) {
        if (random(10) === 0) {
          // Closing waits for what is pending.
          const pending = times(random(3), () => ({ ...next(), log })).map(({ text, log }) => log.appendAsync(text))
          log.close()
          acknowledge(passed + states.length)
          await Promise.all(pending)
          log = open(path)
        }
        await steps[step(names)]!(log)
      }
      log.close()
    },
    look(path) {
      using log = pmemlog.open(path, { engine: 'rust', readonly: true })
      ;[passed, states] = [0, [recordsIn(log.read(0, log.tell()).toString())]]
    },
  }
}

function arrays(): Work {
  const size = [8, 512, 1000, 4096][random(4)]!
  let values = new Histories(0)
  const known = () => ({ made, blocks: values.known() })
  const mark = () => recording.mark(known())
  const someBlock = (blocks: pmemblk.BlockArray) => [random(6), 100 + random(6), blocks.nblock() - 1 - random(3)][random(3)]!

  function begin(index: number, value: number): number {
    values.begin(index, value)
    mark()
    return values.count(index)
  }

  function acknowledge(index: number, count: number): void {
    values.acknowledge(index, count)
    mark()
  }

  function next(index: number) {
    sequence += 1
    return { data: blockOf(sequence, size), count: begin(index, sequence) }
  }

  const steps: Record<string, (blocks: pmemblk.BlockArray) => void | Promise<void>> = {
    write(blocks) {
      const index = someBlock(blocks)
      const { data, count } = next(index)
      if (asked.hasty) acknowledge(index, count)
      blocks.write(data, index)
      acknowledge(index, count)
    },
    writeMany(blocks) {
      const first = random(4)
      const written = times(1 + random(5), (at) => next(first + at))
      blocks.writeMany(first, Buffer.concat(written.map(({ data }) => data)))
      for (const [at, { count }] of written.entries()) acknowledge(first + at, count)
    },
    async writeAsync(blocks) {
      const durable = times(1 + random(6), async () => {
        const index = someBlock(blocks)
        const { data, count } = next(index)
        await blocks.writeAsync(data, index)
        acknowledge(index, count)
      })
      if (random(3) === 0) steps[['write', 'setZero', 'setError'][random(3)]!]!(blocks)
      await Promise.all(durable)
    },
    setZero(blocks) {
      const index = someBlock(blocks)
      const count = begin(index, 0)
      blocks.setZero(index)
      acknowledge(index, count)
    },
    setError(blocks) {
      const index = someBlock(blocks)
      const count = begin(index, -1)
      blocks.setError(index)
      acknowledge(index, count)
    },
  }
  const names = ['write', 'write', 'write', 'writeMany', 'writeAsync', 'writeAsync', 'setZero', 'setError']

  const open = (path: string) => {
    if (!made) pmemblk.create(path, size, pmemblk.MIN_POOL, { engine: 'rust', sparse: random(2) === 0 }).close()
    const blocks = pmemblk.open(path, size, { engine: 'rust' })
    made = true
    mark()
    return blocks
  }

  return {
    known,
    async run(path, most) {
      let blocks = open(path)
      for (let left = most; left > 0; left -= 1) {
        if (random(10) === 0) {
          const index = someBlock(blocks)
          const { data, count } = next(index)
          const pending = blocks.writeAsync(data, index)
          blocks.close()
          acknowledge(index, count)
          await pending
          blocks = open(path)
        }
        await steps[step(names)]!(blocks)
      }
      blocks.close()
    },
    look(path) {
      using blocks = pmemblk.open(path, 0, { engine: 'rust', readonly: true })
      const found = new Histories(0)
      for (const index of values.known().keys()) {
        found.begin(index, blockNumberOf(blocks, index))
        found.acknowledge(index)
      }
      values = found
    },
  }
}

const work = asked.kind === 'log' ? logs() : arrays()

/** Opens what a cut left, changes it, and cuts that. */
async function recover({ folder }: Image<Known>): Promise<Image<Known>[]> {
  const path = join(folder, 'pool')
  work.look(path)
  recording = new Recording<Known>(folder, asked.seed, asked.inner, work.known())
  await work.run(path, 4)
  return recording.end(`${folder}-opened`).images
}

async function main(): Promise<void> {
  recording = new Recording<Known>(join(asked.folder, 'written'), asked.seed, asked.images, work.known())
  await work.run(join(asked.folder, 'written', 'pool'), asked.steps)
  const { points, images } = recording.end(join(asked.folder, 'image'))
  tell({ points, images: await cutOpenings(images, asked.openings, random, recover, (known) => known.made), counts } satisfies Told)
}

void main()
