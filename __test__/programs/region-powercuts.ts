/**
 * A process that stores to a region at random, and what power cuts leave of that: also of its being mapped again after one, which is cut
 * again.
 */

import { join } from 'node:path'
import { pmem } from 'pmem'
import { chance } from '../helpers/chance.js'
import { Histories } from '../helpers/histories.js'
import { type AskedFor, type Image, Recording, cutOpenings, recorded } from '../helpers/powercuts.js'

export interface Asked extends AskedFor {
  readonly steps: number
}

/** What has to be there after a cut. */
export interface Known {
  /** The file is as long as that at least; 0 where it need not be there. */
  readonly length: number
  /** What each word of 8 bytes may have. */
  readonly words: ReadonlyMap<number, readonly bigint[]>
}

export interface Told {
  readonly points: number
  readonly images: readonly Image<Known>[]
  /** How often what was done. */
  readonly counts: Readonly<Record<string, number>>
}

/** Bytes of a region, and how often each of their words was stored to when they were asked to be made durable. */
interface Range {
  readonly offset: number
  readonly length: number
  readonly counts: readonly number[]
}

const SHORT = 12 << 10
const LONG = 128 << 10

const { asked, tell } = recorded<Asked>()
const random = chance(asked.seed)
const counts: Record<string, number> = {}

let recording: Recording<Known>
let words = new Histories(0n)
let length = 0

function mark(): void {
  recording.mark({ length, words: words.known() })
}

function wordsOf(offset: number, length: number): number[] {
  const [first, end] = [offset >> 3, (offset + length + 7) >> 3]
  return Array.from({ length: end - first }, (_, index) => first + index)
}

function rangeOf(offset: number, length: number): Range {
  return { offset, length, counts: wordsOf(offset, length).map((word) => words.count(word)) }
}

function acknowledge(...ranges: readonly Range[]): void {
  for (const { offset, length, counts } of ranges) {
    for (const [index, word] of wordsOf(offset, length).entries()) words.acknowledge(word, counts[index])
  }
  mark()
}

/** A range that begins and ends anywhere, mostly at one of a few places. */
function someRange(region: pmem.Region): { offset: number; length: number } {
  const page = random(region.byteLength >> 12) << 12
  const near = [page, page + 60, page + 4093, page + 64 * random(64)][random(4)]!
  const offset = Math.min(near + random(9), region.byteLength - 1)
  const most = [8, 64, 300, 5000][random(4)]!
  return { offset, length: Math.min(1 + random(most), region.byteLength - offset) }
}

/** Bytes for a range, of which each word is about to be stored. */
function begin(region: pmem.Region, { offset, length }: { offset: number; length: number }, bytes: Uint8Array): Range {
  const places = wordsOf(offset, length)
  const mirror = Buffer.from(region.view(Uint8Array, places[0]! * 8, Math.min(places.length * 8, region.byteLength - places[0]! * 8)))
  mirror.set(bytes, offset - places[0]! * 8)
  for (const [index, word] of places.entries()) words.begin(word, mirror.readBigUInt64LE(index * 8))
  mark()
  return rangeOf(offset, length)
}

function someBytes(length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => 1 + random(255)))
}

/** Stores to a region's memory, as programs do it. */
function store(region: pmem.Region): Range {
  const range = someRange(region)
  const bytes = someBytes(range.length)
  const stored = begin(region, range, bytes)
  region.view(Uint8Array, range.offset, range.length).set(bytes)
  return stored
}

/** Stores words as wholes: another thread, which makes what is around them durable, sees none by half. */
function storeWords(region: pmem.Region): Range {
  const count = 1 + random(40)
  const offset = random((region.byteLength >> 3) - count) << 3
  const bytes = someBytes(count * 8)
  const stored = begin(region, { offset, length: bytes.length }, bytes)
  const view = region.view(BigUint64Array, offset, count)
  for (let index = 0; index < count; index += 1) view[index] = bytes.readBigUInt64LE(index * 8)
  return stored
}

const steps: Record<string, (region: pmem.Region) => void | Promise<void>> = {
  persist(region) {
    const range = store(region)
    if (asked.hasty) acknowledge(range)
    region.persist(range.offset, range.length)
    acknowledge(range)
  },
  persistMany(region) {
    const ranges = [store(region), store(region), store(region)].map(({ offset, length }) => rangeOf(offset, length))
    region.persistMany(ranges.map(({ offset, length }) => [offset, length]))
    acknowledge(...ranges)
  },
  flush(region) {
    const ranges = [store(region), store(region)].map(({ offset, length }) => {
      const range = rangeOf(offset, length)
      region.flush(offset, length)
      return range
    })
    // What is stored after its flush is not drained.
    store(region)
    region.drain()
    acknowledge(...ranges)
  },
  msync(region) {
    const range = store(region)
    region.msync(range.offset, range.length)
    acknowledge(range)
  },
  async persistAsync(region) {
    const durable = Array.from({ length: 1 + random(4) }, async () => {
      const range = storeWords(region)
      await region.persistAsync(range.offset, range.length)
      acknowledge(range)
    })
    storeWords(region)
    await Promise.all(durable)
  },
  copyFrom(region) {
    const range = someRange(region)
    const bytes = someBytes(range.length)
    const stored = begin(region, range, bytes)
    const durable = random(3) > 0
    region.copyFrom(bytes, range.offset, { durable })
    if (durable) acknowledge(stored)
  },
  fill(region) {
    const { offset, length } = someRange(region)
    const value = random(256)
    const stored = begin(region, { offset, length }, Buffer.alloc(length, value))
    const durable = random(3) > 0
    region.fill(value, offset, offset + length, { durable })
    if (durable) acknowledge(stored)
  },
  grow(region) {
    if (region.byteLength === LONG) return
    region.grow(Math.min(region.byteLength + [8, 4096, 20_000][random(3)]!, LONG) & ~7)
    length = region.byteLength
    mark()
  },
}

function open(path: string): pmem.Region {
  const region = pmem.mapFile(path, { minLength: SHORT, create: true, maxLength: LONG, sparse: random(2) === 0 })
  length = region.byteLength
  mark()
  return region
}

/** Closes it, in the way that makes all durable or in that which makes nothing so. */
function close(region: pmem.Region): void {
  if (random(2) === 0) {
    region.close()
    return
  }
  const all = rangeOf(0, region.byteLength)
  region[Symbol.dispose]()
  acknowledge(all)
}

async function run(path: string, most: number): Promise<void> {
  let region = open(path)
  for (let left = most; left > 0; left -= 1) {
    if (random(12) === 0) {
      close(region)
      region = open(path)
    }
    const names = Object.keys(steps)
    const name = names[random(names.length)]!
    counts[name] = (counts[name] ?? 0) + 1
    await steps[name]!(region)
  }
  close(region)
}

/** Maps what a cut left, stores to it, and cuts that. */
async function recover({ folder }: Image<Known>): Promise<Image<Known>[]> {
  const path = join(folder, 'region')
  const found = pmem.map(path)
  words = new Histories(0n)
  const view = found.view(BigUint64Array)
  for (const [word, value] of view.entries()) {
    if (value === 0n) continue
    words.begin(word, value)
    words.acknowledge(word)
  }
  length = found.byteLength
  found.close()
  recording = new Recording<Known>(folder, asked.seed, asked.inner, { length, words: words.known() })
  await run(path, 6)
  return recording.end(`${folder}-mapped`).images
}

async function main(): Promise<void> {
  recording = new Recording<Known>(join(asked.folder, 'written'), asked.seed, asked.images, { length, words: words.known() })
  await run(join(asked.folder, 'written', 'region'), asked.steps)
  const { points, images } = recording.end(join(asked.folder, 'image'))
  tell({ points, images: await cutOpenings(images, asked.openings, random, recover, (known) => known.length > 0), counts } satisfies Told)
}

void main()
