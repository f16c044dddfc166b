// Mapped regions, counted as persistent memory. bench/c/region.c is the same in C.
import { join } from 'node:path'
import { pmem } from 'pmem'
import { type Goal, timesTheirs } from '../goals.mjs'
import type { Row } from '../row.mjs'
import { inC, inJs } from '../sampling.mjs'

const SIZE = 1 << 20
/** 64 ranges over the whole region, no two in the same set of the first-level cache. */
const RANGES = Array.from({ length: 64 }, (_, index) => [index * (SIZE / 64 + 64) % SIZE, 64] as const)

/** A function of its own for each row: the compiler then knows what it is about. */
type Operation = (region: pmem.Region) => () => unknown

const row = (name: string, goal: Goal | undefined, operation: Operation): Row => ({
  name,
  place: 'memory',
  against: 'C',
  goal,
  open: (folder) => {
    const region = pmem.mapFile(join(folder, 'region'), { length: SIZE, create: true })
    region.fill(1, 0, SIZE)
    return { ours: inJs(operation(region)), theirs: inC(folder, 'region', name) }
  },
})

/** The next of the offsets that are `step` apart, which is a power of two. */
function offsets(step: number): () => number {
  let at = 0
  return () => (at = (at + step) & (SIZE - 1))
}

function store(length: number): Operation {
  return (region) => {
    const memory = region.view(Uint8Array)
    const data = new Uint8Array(length).fill(2)
    const next = offsets(length)
    return () => {
      const offset = next()
      memory.set(data, offset)
      region.persist(offset, length)
    }
  }
}

function storeMany(region: pmem.Region): () => void {
  const memory = region.view(Uint8Array)
  const line = new Uint8Array(64).fill(2)
  return () => {
    for (const [offset] of RANGES) memory.set(line, offset)
    region.persistMany(RANGES)
  }
}

function copyFrom(region: pmem.Region): () => void {
  const page = new Uint8Array(4096).fill(3)
  const next = offsets(4096)
  return () => region.copyFrom(page, next())
}

function writeCursor(region: pmem.Region): () => void {
  const line = new Uint8Array(64).fill(2)
  return () => {
    if (region.position === SIZE) region.seek(0)
    region.write(line)
  }
}

function readCursor(region: pmem.Region): () => unknown {
  return () => {
    if (region.position === SIZE) region.seek(0)
    return region.read(64)
  }
}

export const rows: readonly Row[] = [
  row('store 64 B + persist', timesTheirs(1.15), store(64)),
  row('store 4 KiB + persist', undefined, store(4096)),
  row('store 64 x 64 B + persistMany', undefined, storeMany),
  row('copyFrom 4 KiB, durable', undefined, copyFrom),
  row('cursor write 64 B', undefined, writeCursor),
  row('cursor read 64 B', undefined, readCursor),
]
