// Block arrays on what counts as persistent memory, by both engines. bench/c/blocks.c is the same with libpmemblk.
import { join } from 'node:path'
import { pmemblk } from 'pmem'
import { below, type Goal, timesTheirs } from '../goals.mjs'
import type { Row } from '../row.mjs'
import { inC, inJs } from '../sampling.mjs'

const SIZE = 32 << 20
/** A power of two, so that the steps between the blocks in use reach all of them. */
const BLOCKS = 4096
const STEP = 61

type Engine = 'pmdk' | 'rust'
type Operation = (blocks: pmemblk.BlockArray, size: number, next: () => number) => () => unknown

const row = (name: string, size: number, goal: Goal | undefined, operation: Operation, engine: Engine): Row => ({
  name: `block ${name} ${size} B, ${engine}`,
  place: 'memory',
  against: 'C',
  goal,
  open: (folder) => {
    const blocks = pmemblk.create(join(folder, 'blocks'), size, SIZE, { engine })
    // A block that was never written is not read at all, and the first write to a page costs a fault.
    for (let index = 0; index < BLOCKS; index++) blocks.write(Buffer.alloc(size, 2), index)
    let at = 0
    const next = (): number => (at = (at + STEP) % BLOCKS)
    return { ours: inJs(operation(blocks, size, next)), theirs: inC(folder, 'blocks', `block ${name} ${size} B`) }
  },
})

const write: Operation = (blocks, size, next) => {
  const block = Buffer.alloc(size, 2)
  return () => blocks.write(block, next())
}

const read: Operation = (blocks, _, next) => () => blocks.read(next())

const readInto: Operation = (blocks, size, next) => {
  const target = Buffer.alloc(size)
  return () => blocks.readInto(target, next())
}

const of = (engine: Engine): readonly Row[] => [
  row('readInto', 512, timesTheirs(3), readInto, engine),
  row('readInto', 4096, undefined, readInto, engine),
  row('read', 512, undefined, read, engine),
  row('read', 4096, below(600), read, engine),
  row('write', 512, timesTheirs(1.12), write, engine),
  row('write', 4096, timesTheirs(1.15), write, engine),
]

export const rows: readonly Row[] = [...of('pmdk'), ...of('rust')]
