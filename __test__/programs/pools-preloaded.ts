/** Runs a script over a pool with the engine `pmdk`, as the C programs do it, and says in CRASH_MARK which line it has come to. */

import { readFileSync } from 'node:fs'
import { pmemblk, pmemlog } from 'pmem'

const [kind, path] = process.argv.slice(2) as ['log' | 'blk', string]
const bytes = (hex: string) => Buffer.from(hex, 'hex')

function logSteps(log: pmemlog.Log): Record<string, (args: string[]) => void> {
  return {
    append: ([hex]) => log.append(bytes(hex!)),
    appendv: (parts) => log.appendv(parts.map(bytes)),
    rewind: () => log.rewind(),
  }
}

function blockSteps(blocks: pmemblk.BlockArray): Record<string, (args: string[]) => void> {
  return {
    write: ([index, hex]) => blocks.write(bytes(hex!), Number(index)),
    zero: ([index]) => blocks.setZero(Number(index)),
    error: ([index]) => blocks.setError(Number(index)),
  }
}

const engine = 'pmdk'

function open(): [pmemlog.Log | pmemblk.BlockArray, Record<string, (args: string[]) => void>] {
  if (kind === 'log') {
    const log = pmemlog.open(path, { engine })
    return [log, logSteps(log)]
  }
  const blocks = pmemblk.open(path, 0, { engine })
  return [blocks, blockSteps(blocks)]
}

const lines = readFileSync(0, 'utf8').split('\n').filter(Boolean)
const [pool, steps] = open()
for (const [index, line] of lines.entries()) {
  process.env['CRASH_MARK'] = `${index + 1}`
  const [name, ...args] = line.split(' ')
  steps[name!]!(args)
}
process.env['CRASH_MARK'] = `${lines.length + 1}`
pool.close()
