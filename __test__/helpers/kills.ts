/** What writers that are killed write at each step. Steps are numbered from 1. */

export type How = 'external' | 'wasm' | 'shared' | 'rust' | 'pmdk'

/** A region's length, and by how much it grows. */
export const REGION = 64 << 10
export const SLOT = 20_000

/** Where in a region the numbers of a step lie: each other step has the same place. */
export function slotOf(step: number): number {
  return step % 2 === 0 ? 4096 : 32_768
}

/** The record of a step. */
export function record(step: number): Buffer {
  return Buffer.from(`${step}:${'r'.repeat((step * 13) % 300)}\n`)
}

export const BLOCK = 512
export const BLOCKS = 50

/** What the block has that a step changes: no byte of it is zero, all are, or it is an error. */
export function blockAfter(step: number): Buffer | undefined {
  if (step % 7 === 3) return undefined
  return step % 7 === 5 ? Buffer.alloc(BLOCK) : Buffer.alloc(BLOCK, `${step},`)
}
