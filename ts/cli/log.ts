/** The commands of logs. */

import * as pmemlog from '../nvml/pmemlog.js'
import type { Log } from '../nvml/log.js'
import { type Action, numberOf, sizeOf, textOf } from './command.js'
import { requireKind } from './info.js'
import { input, print } from './terminal.js'

const CHUNK = 1 << 20

export const create: Action = (call) => {
  const size = textOf(call, 'size')
  pmemlog.create(call.operands[0]!, size === undefined ? pmemlog.MIN_POOL : sizeOf('--size', size)).close()
}

export const append: Action = async ({ operands: [path, text] }) => {
  requireKind(path!, 'log')
  using log = pmemlog.open(path!)
  if (text !== undefined) return log.append(text)
  for await (const chunk of input()) log.append(chunk)
}

export const cat: Action = async ({ operands: [path] }) => {
  using log = openReadonly(path!)
  for (const chunk of log.chunks(CHUNK)) await print(chunk)
}

export const tail: Action = async (call) => {
  const [path] = call.operands as [string]
  using log = openReadonly(path)
  const end = log.tell()
  const from = lastLines(log, end, numberOf('--lines', textOf(call, 'lines') ?? '10'))
  for (let at = from; at < end; at += CHUNK) await print(log.read(at, Math.min(CHUNK, end - at)))
  if (call.flags.follow !== true) return
  for await (const chunk of log.follow({ from: end })) await print(chunk)
}

export const rewind: Action = ({ operands: [path] }) => {
  requireKind(path!, 'log')
  using log = pmemlog.open(path!)
  log.rewind()
}

function openReadonly(path: string): Log {
  requireKind(path, 'log')
  return pmemlog.open(path, { readonly: true })
}

/** Where the last lines begin. */
function lastLines(log: Log, end: number, count: number): number {
  let left = count
  for (let last = end; last > 0; last -= CHUNK) {
    const start = Math.max(0, last - CHUNK)
    const bytes = log.read(start, last - start)
    // The line feed at the very end ends the last line.
    for (let at = last === end ? bytes.length - 1 : bytes.length; at > 0; ) {
      at = bytes.lastIndexOf(10, at - 1)
      if (at < 0) break
      left -= 1
      if (left === 0) return start + at + 1
    }
  }
  return 0
}
