/** `copy`: a log or an array of blocks into a pool of another size. */

import { renameSync } from 'node:fs'
import type { BlockArray } from '../nvml/blocks.js'
import type { Log } from '../nvml/log.js'
import * as pmemblk from '../nvml/pmemblk.js'
import * as pmemlog from '../nvml/pmemlog.js'
import { type Action, Failure, STATUS, sizeOf, textOf } from './command.js'
import { NAMES, kindOf, requireNew } from './kinds.js'
import { Progress } from './terminal.js'

const CHUNK = 1 << 20

export const copy: Action = (call) => {
  const [from, to] = call.operands as [string, string]
  requireNew(to)
  const kind = kindOf(from)
  if (kind !== 'log' && kind !== 'blocks') throw new Failure(`'${from}' is ${NAMES[kind]}: only logs and arrays of blocks are copied`, STATUS.unknown)
  const asked = textOf(call, 'size')
  const size = asked === undefined ? undefined : sizeOf('--size', asked)
  // What was interrupted lies there, and is gone on with.
  const partial = `${to}.partial`
  if (kind === 'log') copyLog(from, partial, size ?? pmemlog.MIN_POOL)
  else copyBlocks(from, partial, size ?? pmemblk.MIN_POOL)
  renameSync(partial, to)
}

function copyLog(from: string, to: string, size: number): void {
  using source = pmemlog.open(from, { readonly: true })
  using target = pmemlog.open(to, { create: true, size })
  const end = source.tell()
  if (end > target.nbyte()) throw new Failure(`${end} bytes do not fit into a log of ${target.nbyte()}: --size makes a larger one`)
  using progress = new Progress(end)
  checkSame(source, target, target.tell(), to)
  for (let at = target.tell(); at < end; at = target.tell()) {
    target.append(source.read(at, Math.min(CHUNK, end - at)))
    progress.at(target.tell())
  }
  checkSame(source, target, end, to)
}

/** Refuses a copy that is none. */
function checkSame(source: Log, target: Log, end: number, to: string): void {
  for (let at = 0; at < end; at += CHUNK) {
    const length = Math.min(CHUNK, end - at)
    if (end > source.tell() || !source.read(at, length).equals(target.read(at, length))) throw new Failure(`'${to}' has other bytes: remove it`)
  }
}

function copyBlocks(from: string, to: string, size: number): void {
  using source = pmemblk.open(from, 0, { readonly: true })
  using target = pmemblk.open(to, source.bsize(), { create: true, size })
  const last = lastUsed(source)
  if (last >= target.nblock()) throw new Failure(`block ${last} does not fit into an array of ${target.nblock()}: --size makes a larger one`)
  using progress = new Progress(last + 1)
  for (let index = 0; index <= last; index += 1) {
    copyBlock(source, target, index)
    progress.at(index + 1)
  }
}

/** The last block that is not zero; -1 where there is none. */
function lastUsed(blocks: BlockArray): number {
  let last = blocks.nblock() - 1
  while (last >= 0 && stateOf(blocks, last) === 'zero') last -= 1
  return last
}

function stateOf(blocks: BlockArray, index: number): Buffer | 'zero' | 'error' {
  try {
    const block = blocks.read(index)
    return block.every((byte) => byte === 0) ? 'zero' : block
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error
    return 'error'
  }
}

/** Copies a block, unless it is there already, and looks at what came of it. */
function copyBlock(source: BlockArray, target: BlockArray, index: number): void {
  const state = stateOf(source, index)
  const isSame = () => {
    const found = stateOf(target, index)
    return typeof state === 'object' && typeof found === 'object' ? state.equals(found) : state === found
  }
  if (isSame()) return
  if (state === 'error') target.setError(index)
  else if (state === 'zero') target.setZero(index)
  else target.write(state, index)
  if (!isSame()) throw new Failure(`block ${index} was written and reads otherwise: the device fails`)
}
