/** `info`, the `stat` of each kind, and `check`. */

import { statSync } from 'node:fs'
import * as journals from '../journal/journals.js'
import type { Journal } from '../journal/journal.js'
import * as pmemblk from '../nvml/pmemblk.js'
import * as pmemlog from '../nvml/pmemlog.js'
import * as stores from '../objects/stores.js'
import { type Action, Failure, type Input, STATUS } from './command.js'
import { type Kind, NAMES, kindOf } from './kinds.js'
import { poolHeader, storeHeader } from './headers.js'
import { openStore } from './open-store.js'
import { facts, judged, print, tell } from './terminal.js'

/** What is known of each kind, beside what all files have. */
export const details: Readonly<Record<Kind, (path: string) => object>> = {
  log: (path) => ({ ...unlessLocked(() => ofLog(path)), header: poolHeader(path) }),
  blocks: (path) => ({ ...unlessLocked(() => ofBlocks(path)), header: poolHeader(path) }),
  journal: ofJournal,
  store: (path) => ({ ...unlessLocked(() => ofStore(path)), header: storeHeader(path) }),
  pool: (path) => ({ header: poolHeader(path) }),
  segment: () => ({}),
  bytes: () => ({}),
}

export const info: Action = (call) => describe(call, kindOf(call.operands[0]!))

/** `info` of one kind. */
export function only(kind: Kind): Action {
  return (call) => {
    requireKind(call.operands[0]!, kind)
    return describe(call, kind)
  }
}

/** Refuses what is of another kind. */
export function requireKind(path: string, kind: Kind): void {
  const found = kindOf(path)
  if (found !== kind) throw new Failure(`'${path}' is ${NAMES[found]}, not ${NAMES[kind]}`, STATUS.unknown)
}

function describe(call: Input, kind: Kind): Promise<void> {
  const [path] = call.operands as [string]
  const known = { path, kind, ...ofFile(path, kind), ...details[kind](path) }
  return tell(call, known, () => facts({ ...known, kind: NAMES[kind] }))
}

/** What is known of all files. */
export function ofFile(path: string, kind: Kind): object {
  const { size, blocks, mtime } = statSync(path)
  return kind === 'journal' ? {} : { size, allocated: blocks * 512, modified: mtime.toISOString() }
}

/** What can be told, also where somebody else has the file open. */
function unlessLocked(read: () => object): object {
  try {
    return read()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EAGAIN' || code === 'EWOULDBLOCK') return { locked: true }
    throw error
  }
}

function ofLog(path: string): object {
  using log = pmemlog.open(path, { readonly: true })
  return { engine: log.engine, capacity: log.nbyte(), used: log.tell(), free: log.free }
}

function ofBlocks(path: string): object {
  using blocks = pmemblk.open(path, 0, { readonly: true })
  return { engine: blocks.engine, blockSize: blocks.bsize(), blocks: blocks.nblock() }
}

function ofJournal(path: string): object {
  using journal = journals.open(path, { readonly: true })
  const { first, next, segments, byteLength } = journal
  return { records: next - first, first, next, used: byteLength, segments, oldest: timeOf(journal, first), newest: timeOf(journal, next - 1), cursors: cursorsOf(journal) }
}

function timeOf(journal: Journal, sequence: number): string | undefined {
  return journal.get(sequence)?.time.toISOString()
}

/** The cursors of a journal, and how many records are ahead of each. */
export function cursorsOf(journal: Journal): { name: string; position: number; ahead: number }[] {
  return journal.cursors().map((name) => {
    const { position } = journal.cursor(name)
    return { name, position, ahead: journal.next - Math.max(position, journal.first) }
  })
}

function ofStore(path: string): object {
  using store = openStore(path)
  return { version: store.version, ...store.stats() }
}

/** What one of each kind says of being sound: what is wrong with it. */
const checks: Readonly<Record<Kind, (path: string) => readonly string[]>> = {
  log: (path) => (pmemlog.check(path) ? [] : ['the pool is not consistent']),
  blocks: (path) => (pmemblk.check(path) ? [] : ['the pool is not consistent']),
  journal: (path) => (journals.check(path).damage ?? []).map(({ file, offset, sequence, what }) => `${file}, at ${offset}, record ${sequence}: ${what}`),
  store: (path) => stores.check(path).damage ?? [],
  segment: () => cannotTell('a segment alone says nothing: name the folder of its journal'),
  pool: () => cannotTell('pools of this kind are not known here: pmempool check may know them'),
  bytes: () => cannotTell('it is none of the kinds that say whether they are sound'),
}

function cannotTell(why: string): never {
  throw new Failure(why, STATUS.unknown)
}

export const check: Action = async ({ operands }) => {
  let status = STATUS.done as number
  for (const path of operands) status = Math.max(status, await checkOne(path))
  return status
}

/** Two, where one is damaged and another one cannot be looked at. */
async function checkOne(path: string): Promise<number> {
  let damage: readonly string[]
  try {
    damage = checks[kindOf(path)](path)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    // What cannot even be opened for its damage.
    if (code !== 'ERR_PMEM_CORRUPT') {
      await print(`${path}: could not tell: ${message.split('\n')[0]}\n`)
      return STATUS.unknown
    }
    damage = [message.split('\n')[0]!]
  }
  await print(`${path}: ${damage.length === 0 ? judged('sound', true) : judged('damaged', false)}\n${damage.map((what) => `  ${what}\n`).join('')}`)
  return damage.length === 0 ? STATUS.done : STATUS.failed
}
