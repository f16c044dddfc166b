// Mapped regions. bench/c/region.c is the same in C.
import { join } from 'node:path'
import { pmem } from 'pmem'
import type { Operation, Suite } from '../suite.mjs'

const SIZE = 1 << 20
/** 64 ranges over the whole region, no two in the same set of the first-level cache. */
const RANGES = Array.from({ length: 64 }, (_, index) => [index * (SIZE / 64 + 64) % SIZE, 64] as const)

export const suite: Suite = { name: 'region', disk: true, open }

function open(folder: string): Operation[] {
  const region = pmem.mapFile(join(folder, 'js-region'), { length: SIZE, create: true })
  // On ext4 the first write to each page of a new file would cost a journal commit.
  region.fill(1, 0, SIZE)

  const memory = region.view(Uint8Array)
  const line = new Uint8Array(64).fill(2)
  const page = new Uint8Array(4096).fill(3)

  let at = 0
  /** The next offset; the step is a power of two. */
  const advance = (step: number): number => (at = (at + step) & -step & (SIZE - 1))

  return [
    {
      name: 'store 64 B + persist',
      goal: 1.3,
      disk: 'also',
      run: () => {
        const offset = advance(64)
        memory.set(line, offset)
        region.persist(offset, 64)
      },
    },
    {
      name: 'store 4 KiB + persist',
      run: () => {
        const offset = advance(4096)
        memory.set(page, offset)
        region.persist(offset, 4096)
      },
    },
    {
      name: 'store 64 x 64 B + persistMany',
      run: () => {
        for (const [offset] of RANGES) memory.set(line, offset)
        region.persistMany(RANGES)
      },
    },
    {
      name: 'copyFrom 4 KiB, durable',
      run: () => region.copyFrom(page, advance(4096)),
    },
    {
      name: 'cursor write 64 B',
      run: () => {
        if (region.position === SIZE) region.seek(0)
        region.write(line)
      },
    },
    {
      name: 'cursor read 64 B',
      run: () => {
        if (region.position === SIZE) region.seek(0)
        return region.read(64)
      },
    },
  ]
}
