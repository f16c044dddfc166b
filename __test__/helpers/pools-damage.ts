/** Pools whose files were damaged in thousands of ways, one after the other, in a process of its own: a crash is seen. */

import { readFileSync, writeFileSync } from 'node:fs'
import type { ExecutionContext } from 'ava'
import { type EngineName, sameBytes } from './pools.js'
import { type It, elsewhere, startProcess } from './pools-peers.js'

/** A byte of a file, and what is changed in it: the bits that are turned over. */
export type Flip = readonly [offset: number, bits: number]

type Part = readonly [start: number, end: number]

/** What is known of a pool. */
export interface Sound {
  readonly path: string
  readonly kind: 'log' | 'blk'
  /** A log's contents, or those of blocks in a row from the first; null for one in error. */
  readonly contents: Buffer | (Buffer | null)[]
  /** The parts of the file that opening might change. They are compared after each try, and the rest at the end. */
  readonly metadata: readonly Part[]
  /** Where a change damages one block alone, which is noticed when that is used: a map. */
  readonly map?: Part
  /** Where a change is one of a block's data, or of where a log ends, which nothing can notice. */
  readonly data?: Part
  /** Where open may accept what check does not: what there is twice, and what only a look at the whole map shows. */
  readonly checked?: readonly Part[]
}

export interface Outcome {
  refused: number
  accepted: number
  /** What went wrong, if anything. */
  problems: string[]
}

/**
 * Tries each flip on the pool: it is refused as corrupt, by open and by check, and the file is as it was; or it opens and
 * gives the right data, and can be changed. Afterwards the pool is as before.
 */
export async function tryAll(t: ExecutionContext, engine: EngineName, sound: Sound, flips: readonly Flip[]): Promise<Outcome> {
  const progress = `${sound.path}.progress`
  writeFileSync(progress, '{}'.padEnd(100))
  const peer = startProcess(t)
  try {
    return await peer.run(tryEach, engine, sound, flips, progress)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENDED') throw error
    const problem = `${(error as Error).message} at ${readFileSync(progress, 'utf8').trim()}`
    return { refused: 0, accepted: 0, problems: [problem] }
  } finally {
    await peer.kill()
  }
}

/**
 * That a damaged or foreign file is refused: open says that it is corrupt, where, and how, check is false, and the file
 * is as it was. A crash of any of it is the other process's.
 */
export async function isRefused(t: ExecutionContext, engine: EngineName, kind: 'log' | 'blk', path: string, says = /./, what = ''): Promise<void> {
  const before = readFileSync(path)
  const found = await elsewhere(
    ({ pmemlog, pmemblk }, engine, kind, path) => {
      const checked = kind === 'log' ? pmemlog.check(path) : pmemblk.check(path)
      try {
        if (kind === 'log') pmemlog.open(path, { engine }).close()
        else pmemblk.open(path, 0, { engine }).close()
        return { checked, code: 'opened', message: '', path: '' }
      } catch (error) {
        const { code, message, path } = error as NodeJS.ErrnoException
        return { checked, code, message, path }
      }
    },
    engine,
    kind,
    path,
  )
  t.is(found.code, 'ERR_PMEM_CORRUPT', `${what} ${found.message}`)
  t.false(found.checked, what)
  t.regex(found.message, / at byte \d+/)
  t.regex(found.message, says)
  t.true(found.message.includes(path), found.message)
  sameBytes(t, readFileSync(path), before, 'the file after opening it')
}

/** Runs in the other process. */
function tryEach(
  { pmemlog, pmemblk, fs }: It,
  engine: EngineName,
  sound: Sound,
  flips: readonly Flip[],
  progress: string,
): Outcome {
  const { path, kind, contents, metadata, map = [0, 0], data = [0, 0], checked: thorough = [] } = sound
  const outcome: Outcome = { refused: 0, accepted: 0, problems: [] }
  const pristine = fs.readFileSync(path)
  const file = fs.openSync(path, 'r+')
  const notes = fs.openSync(progress, 'r+')
  const scratch = Buffer.alloc(1 << 20)

  for (const flip of flips) tryOne(flip)
  // Only what was accepted was written to; of that, the slots of blocks stay.
  const rest: Part[] = outcome.accepted === 0 || kind === 'log' ? [[0, pristine.length]] : [[0, data[0]], [data[1], pristine.length]]
  for (const [start, end] of rest) {
    const [changed] = differences(start, end, -1, 0)
    if (changed !== undefined) outcome.problems.push(`in the end byte ${changed} is not what it was`)
  }
  fs.closeSync(file)
  return outcome

  function tryOne([offset, bits]: Flip): void {
    const problem = (text: string) => {
      if (outcome.problems.length < 20) outcome.problems.push(`byte ${offset} ^ ${bits}: ${text}`)
    }
    fs.writeSync(notes, JSON.stringify([offset, bits]).padEnd(100), 0)
    fs.writeSync(file, Buffer.of(pristine[offset]! ^ bits), 0, 1, offset)
    const within = ([start, end]: Part) => offset >= start && offset < end
    let checked: unknown
    try {
      checked = kind === 'log' ? pmemlog.check(path) : pmemblk.check(path)
    } catch (error) {
      problem(`check threw ${String(error)}`)
    }
    let pool: ReturnType<typeof pmemlog.open> | ReturnType<typeof pmemblk.open> | undefined
    try {
      pool = kind === 'log' ? pmemlog.open(path, { engine }) : pmemblk.open(path, 0, { engine })
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      if (code !== 'ERR_PMEM_CORRUPT') problem(`${code}: ${message}`)
      else if (!/ at byte \d+/.test(message) || !message.includes(path)) problem(`the message is ${message}`)
    }
    if (!pool) {
      outcome.refused += 1
      if (checked !== false) problem(`check is ${checked} for what open refuses`)
      for (const [start, end] of metadata) {
        const [changed] = differences(start, end, offset, bits)
        if (changed !== undefined) problem(`refusing it changed byte ${changed}`)
      }
    } else {
      outcome.accepted += 1
      if (checked !== true && !within(map) && !thorough.some(within)) problem('check is false for what open accepts')
      try {
        use(pool, within(map), within(data), problem)
      } catch (error) {
        problem(`using it threw ${String(error)}`)
      }
      pool.close()
      for (const [start, end] of metadata) fs.writeSync(file, pristine, start, end - start, start)
      if (kind === 'log') fs.writeSync(file, pristine, 8192, 8192, 8192)
    }
    fs.writeSync(file, pristine, offset, 1, offset)
  }

  function use(pool: object, inMap: boolean, inData: boolean, problem: (text: string) => void): void {
    if (pool instanceof pmemlog.Log) {
      const expected = contents as Buffer
      if (inData) {
        pool.read(0, pool.tell())
        return
      }
      if (pool.tell() !== expected.length || !pool.read(0, expected.length).equals(expected)) problem('the log holds other bytes')
      pool.append('more')
      if (pool.read(expected.length, 4).toString() !== 'more') problem('an append is lost')
      return
    }
    const blocks = pool as ReturnType<typeof pmemblk.open>
    let wrong = 0
    for (const [index, expected] of (contents as (Buffer | null)[]).entries()) {
      try {
        const block = blocks.read(index)
        if (expected === null) wrong += 1
        else if (inData ? distance(block, expected) > 1 : !block.equals(expected)) wrong += 1
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if (expected !== null) wrong += 1
        if (code !== 'EIO' && !(inMap && code === 'ERR_PMEM_CORRUPT')) problem(`reading block ${index} is ${String(error)}`)
      }
    }
    if (wrong > (inMap ? 1 : 0)) problem(`${wrong} blocks are wrong`)
    if (inMap || inData) return
    const block = Buffer.alloc(blocks.bsize(), 0x5a)
    blocks.write(block, 3)
    if (!blocks.read(3).equals(block)) problem('a write is lost')
  }

  function distance(one: Buffer, other: Buffer): number {
    return one.reduce((count, byte, index) => count + Number(byte !== other[index]), 0)
  }

  /** Places from `start` to `end` at which the file is not what it was, but for the flip. */
  function differences(start: number, end: number, offset: number, bits: number): number[] {
    const found: number[] = []
    for (let from = start; from < end; from += scratch.length) {
      const length = Math.min(scratch.length, end - from)
      fs.readSync(file, scratch, 0, length, from)
      if (offset >= from && offset < from + length) scratch[offset - from]! ^= bits
      if (scratch.subarray(0, length).equals(pristine.subarray(from, from + length))) continue
      for (let index = 0; index < length; index += 1) if (scratch[index] !== pristine[from + index]) found.push(from + index)
    }
    return found
  }
}
