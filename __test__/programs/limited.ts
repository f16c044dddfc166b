/**
 * Uses a region, a log, blocks, a journal or a store where the system gives it less than it asks for:
 *
 *     limited.js MODULE ENGINE size FOLDER       its files may have no more than some bytes
 *     limited.js MODULE ENGINE readonly FOLDER   the disk becomes readonly in mid-work
 *     limited.js MODULE ENGINE handles FOLDER    the process may have no more than some descriptors, of which all are used up
 *     limited.js MODULE ENGINE forks FOLDER      the process forks in mid-work (`../c/forking.c`), and is killed at its end
 *     limited.js MODULE ENGINE spawns FOLDER     it starts another program in mid-work, and is killed at its end
 *     limited.js MODULE ENGINE workers FOLDER    it is one of many workers
 *
 * Prints which steps were acknowledged, which failed, and by which codes.
 */

import { execFileSync, spawn } from 'node:child_process'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { type Used, modulesOf } from '../helpers/numbered.js'

export interface Told {
  readonly acknowledged: number[]
  readonly failed: number[]
  readonly codes: string[]
  /** The process that lives on. */
  child?: number
}

const [what = '', engine = '', how = '', folder = '', first = '1'] = (isMainThread ? process.argv.slice(2) : workerData) as string[]
const tested = modulesOf(engine)[what]!
const told: Told = { acknowledged: [], failed: [], codes: [] }

/** Does something that may fail; what it gives. */
async function tries<T>(act: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await act()
  } catch (error) {
    const code = String((error as NodeJS.ErrnoException).code)
    if (!told.codes.includes(code)) told.codes.push(code)
    return undefined
  }
}

async function write(used: Used, from: number, count: number): Promise<void> {
  for (let number = from; number < from + count; number += 1) {
    const isDone = await tries(async () => (await used.step(number), true))
    told[isDone ? 'acknowledged' : 'failed'].push(number)
  }
}

/** Opens others until no more can be opened. */
async function openAll(): Promise<Used[]> {
  const all: Used[] = []
  for (;;) {
    const made = await tries(() => tested.open(join(folder, `${all.length}`)))
    if (!made) return all
    all.push(made)
  }
}

async function main(): Promise<void> {
  const path = join(folder, 'used')
  const used = await tries(() => tested.open(path))
  if (used) {
    await write(used, Number(first), 10)
    // As an ext4 does it by itself after an error of its disk.
    if (how === 'readonly') execFileSync('mount', ['-o', 'remount,abort', folder])
    if (how === 'forks') {
      setPriority(0)
      told.child = Number(process.env['FORKED'])
    }
    if (how === 'spawns') told.child = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' }).pid!
    const others = how === 'handles' ? await openAll() : []
    if (how !== 'workers') await write(used, 11, 20)
    for (const one of others) one.close()
    if (told.child === undefined) await tries(() => used.close())
  }
  if (isMainThread) console.log(JSON.stringify(told))
  else parentPort!.postMessage(told)
  if (told.child !== undefined) process.kill(process.pid, 'SIGKILL')
}

void main()
