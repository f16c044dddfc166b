/** A process that appends to a journal at random, and what power cuts leave of that. */

import { join } from 'node:path'
import { journal } from 'pmem'
import { chance } from '../helpers/chance.js'
import { type AskedFor, type Image, Recording, recorded } from '../helpers/powercuts.js'

export interface Asked extends AskedFor {
  readonly steps: number
}

/** What has to be there after a cut. */
export interface Known {
  /** So many records were durable. */
  readonly least: number
  /** Where batches end of those that had begun. */
  readonly ends: readonly number[]
  /** Up to which record they may be gone. */
  readonly kept: number
}

export interface Told {
  readonly points: number
  readonly images: readonly Image<Known>[]
}

/** The record of this sequence. */
function recordOf(sequence: number): string {
  return `${sequence} ${'.'.repeat((sequence * 7919) % 500)}`
}

const { asked, tell } = recorded<Asked>()
const random = chance(asked.seed)
const folder = join(asked.folder, 'written')
const known = { least: 0, ends: [0], kept: 0 }
const recording = new Recording<Known>(folder, asked.seed, asked.images, { ...known, ends: [...known.ends] })

function mark(): void {
  recording.mark({ ...known, ends: [...known.ends] })
}

/** The next batch, which has begun. */
function begin(): string[] {
  const first = known.ends.at(-1)!
  const count = 1 + random(random(8) === 0 ? 60 : 4)
  known.ends.push(first + count)
  mark()
  return Array.from({ length: count }, (_, index) => recordOf(first + index))
}

function acknowledge(next: number): void {
  known.least = Math.max(known.least, next)
  mark()
}

function open(path: string): journal.Journal {
  return journal.open(join(path, 'journal'), { segmentSize: 64 << 10 })
}

async function run(): Promise<void> {
  let events = open(folder)
  for (let left = asked.steps; left > 0; left -= 1) {
    const kind = random(10)
    if (kind < 4) {
      events.appendMany(begin())
      acknowledge(events.next)
    } else if (kind < 7) {
      const batches = Array.from({ length: 1 + random(4) }, () => begin())
      const ends = known.ends.slice(-batches.length)
      const durable = batches.map(async (batch, index) => {
        await events.appendManyAsync(batch)
        acknowledge(ends[index]!)
      })
      if (asked.hasty) acknowledge(ends.at(-1)!)
      await Promise.all(durable)
    } else if (kind < 8) {
      events.appendMany(begin(), { durable: false })
      if (random(2) === 0) continue
      events.flush()
      acknowledge(events.next)
    } else if (kind < 9) {
      known.kept += random(events.next - known.kept + 1)
      mark()
      events.truncateBefore(known.kept)
    } else {
      events.close()
      acknowledge(known.ends.at(-1)!)
      events = open(folder)
    }
  }
  events.close()
}

/** Opens what a cut left, and cuts that: what was seen is there for good. */
function recover(image: Image<Known>): Image<Known>[] {
  const recording = new Recording<Known>(image.folder, asked.seed, asked.inner, image.known)
  const events = open(image.folder)
  recording.mark({ ...image.known, least: Math.max(image.known.least, events.next) })
  events.close()
  return recording.end(`${image.folder}-opened`).images
}

async function main(): Promise<void> {
  await run()
  const { points, images } = recording.end(join(asked.folder, 'image'))
  const recovered: Image<Known>[] = []
  for (let left = asked.openings; left > 0; left -= 1) recovered.push(...recover(images.splice(random(images.length), 1)[0]!))
  tell({ points, images: [...images, ...recovered] } satisfies Told)
}

void main()
