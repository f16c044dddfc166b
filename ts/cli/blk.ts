/** The commands of block arrays. */

import * as pmemblk from '../nvml/pmemblk.js'
import type { BlockArray } from '../nvml/blocks.js'
import { type Action, Failure, numberOf, sizeOf, textOf } from './command.js'
import { requireKind } from './info.js'
import { input, print } from './terminal.js'

/** How many marks a drawing has at most, and how many a line of it. */
const [MARKS, LINE] = [1024, 64]

export const create: Action = (call) => {
  const [size, blockSize] = [textOf(call, 'size'), textOf(call, 'block-size') ?? '512']
  pmemblk.create(call.operands[0]!, sizeOf('--block-size', blockSize), size === undefined ? pmemblk.MIN_POOL : sizeOf('--size', size)).close()
}

export const read: Action = async ({ operands: [path, index] }) => {
  const at = numberOf('INDEX', index!)
  using blocks = open(path!, true)
  await print(blocks.read(at))
}

export const write: Action = async ({ operands: [path, index, text] }) => {
  const at = numberOf('INDEX', index!)
  using blocks = open(path!, false)
  const data = text === undefined ? await all(blocks.bsize()) : Buffer.from(text)
  if (data.length > blocks.bsize()) throw new Failure(`${data.length} bytes do not fit into a block, which has ${blocks.bsize()}`)
  const block = Buffer.alloc(blocks.bsize())
  block.set(data)
  blocks.write(block, at)
}

/** The standard input, but not much more than is wanted. */
async function all(wanted: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of input()) {
    chunks.push(chunk)
    length += chunk.length
    if (length > wanted) break
  }
  return Buffer.concat(chunks)
}

export const dump: Action = async ({ operands: [path] }) => {
  using blocks = open(path!, true)
  const count = blocks.nblock()
  const each = Math.ceil(count / MARKS)
  let line = ''
  for (let first = 0; first < count; first += each) {
    line += markOf(blocks, first, Math.min(each, count - first))
    if (line.length < LINE && first + each < count) continue
    await print(`${line}\n`)
    line = ''
  }
  await print(`\n${each === 1 ? 'A mark is a block' : `A mark is ${each} blocks`}: # written, . zero, ! in error${each === 1 ? '' : ', the worst of them'}\n`)
}

/** The mark of some blocks. */
export function markOf(blocks: BlockArray, first: number, count: number): string {
  try {
    return blocks.readMany(first, count).some((byte) => byte !== 0) ? '#' : '.'
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error
    return '!'
  }
}

function open(path: string, readonly: boolean): BlockArray {
  requireKind(path, 'blocks')
  return pmemblk.open(path, 0, { readonly })
}
