/** What a file or folder is, by its first bytes. Nothing of it is changed, and nothing of it is locked. */

import { closeSync, existsSync, openSync, readSync, readdirSync, statSync } from 'node:fs'
import { Failure, STATUS } from './command.js'

/** What there is. */
export type Kind = 'log' | 'blocks' | 'journal' | 'store' | 'segment' | 'pool' | 'bytes'

const MAGICS: readonly (readonly [string, Kind])[] = [
  ['PMEMLOG\0', 'log'],
  ['PMEMBLK\0', 'blocks'],
  ['PMEMHEAP', 'store'],
  ['PMEMJRNL', 'segment'],
  ['PMEM', 'pool'],
]

/** What is at a path. */
export function kindOf(path: string): Kind {
  if (!statSync(path).isDirectory()) return kindOfBytes(firstBytes(path, 0, 8))
  if (readdirSync(path).some((name) => /^\d{20}\.seg$|^lock$/.test(name))) return 'journal'
  throw new Failure(`'${path}' is a folder, and none of a journal`, STATUS.unknown)
}

function kindOfBytes(bytes: Buffer): Kind {
  const magic = bytes.toString('latin1')
  return MAGICS.find(([prefix]) => magic.startsWith(prefix))?.[1] ?? 'bytes'
}

/** Some bytes of a file, or as many as there are. */
export function firstBytes(path: string, offset: number, length: number): Buffer {
  const file = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(length)
    return bytes.subarray(0, readSync(file, bytes, 0, length, offset))
  } finally {
    closeSync(file)
  }
}

/** What kinds are called. */
export const NAMES: Readonly<Record<Kind, string>> = {
  log: 'a log (libpmemlog)',
  blocks: 'an array of blocks (libpmemblk)',
  journal: 'a journal',
  store: 'a store of objects',
  segment: 'a segment of a journal: name its folder',
  pool: 'a pool of another kind',
  bytes: 'bytes, which can be mapped as a region',
}

/** Refuses a name that something has. */
export function requireNew(path: string): void {
  if (existsSync(path)) throw new Failure(`'${path}' is there already: name a new one`)
}
