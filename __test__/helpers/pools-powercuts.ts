/** What programs write to pools whose power is cut, so that it is known again. */

import type { pmemblk } from 'pmem'

/** The record of this number: a line. */
export function recordOf(number: number): string {
  return `${number} ${'.'.repeat(number % 40 === 7 ? 20_000 : (number * 7919) % 600)}\n`
}

/** The numbers of the records in a log. */
export function recordsIn(text: string): number[] {
  return text.split('\n').slice(0, -1).map((line) => parseInt(line))
}

/** A block of this number: all of it says so. Zeros for 0. */
export function blockOf(number: number, size: number): Buffer {
  return Buffer.alloc(size, Buffer.from(Uint32Array.of(number).buffer))
}

/** The number of which a block is, -1 where it is in the error state. */
export function blockNumberOf(blocks: pmemblk.BlockArray, index: number): number {
  try {
    const found = blocks.read(index)
    const number = found.readUInt32LE()
    if (found.equals(blockOf(number, found.length))) return number
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EIO') return -1
    throw error
  }
  throw new Error(`block ${index} is torn`)
}
