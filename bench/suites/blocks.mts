// Block arrays, by both engines. bench/c/blocks.c is the same with libpmemblk.
import { join } from 'node:path'
import { pmemblk } from 'pmem'
import type { Operation, Suite } from '../suite.mjs'

const SIZE = 32 << 20
/** A power of two, so that the steps between the blocks in use reach all of them. */
const BLOCKS = 4096
const STEP = 61

export const suite: Suite = { name: 'blocks', disk: false, open }

function open(folder: string): Operation[] {
  const sizes = [512, 4096]
  return (['pmdk', 'rust'] as const).flatMap((engine) => sizes.flatMap((size) => operations(folder, engine, size)))
}

function operations(folder: string, engine: 'pmdk' | 'rust', size: number): Operation[] {
  const blocks = pmemblk.create(join(folder, `js-blocks-${engine}-${size}`), size, SIZE, { engine })
  const block = Buffer.alloc(size, 2)
  // A block that was never written is not read at all, and the first write to a page costs a fault.
  for (let index = 0; index < BLOCKS; index++) blocks.write(block, index)

  const target = Buffer.alloc(size)
  let at = 0
  const next = (): number => (at = (at + STEP) % BLOCKS)

  const both: Operation[] = [
    { name: `block write ${size} B`, run: () => blocks.write(block, next()) },
    { name: `block read ${size} B`, run: () => blocks.read(next()) },
    { name: `block readInto ${size} B`, run: () => blocks.readInto(target, next()) },
  ]
  return both.map((operation) => ({ ...operation, name: `${operation.name}, ${engine}`, against: operation.name }))
}
