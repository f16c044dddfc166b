/**
 * One actor of the soak, a worker or a process: does one work after the other, and between two of them, with everything closed, what it
 * is told: to tell what it uses and wait, or to go on. With `leak` it keeps something of each kind each time it stops.
 */

import { openSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { pmem } from 'pmem'
import { chance } from '../../helpers/chance.js'
import { collect } from '../../helpers/memory.js'
import { type ProcessUsage, type ThreadUsage, processUsage, threadUsage } from './usage.js'
import { type Place, worksOf } from './works.js'

export interface Asked extends Place {
  readonly leak: boolean
}

export interface Told {
  /** How often each work was done. */
  readonly rounds: Readonly<Record<string, number>>
  readonly thread: ThreadUsage
  readonly process: ProcessUsage
}

export type Order = 'stop' | 'go'

const asked = (isMainThread ? JSON.parse(process.argv[2]!) : workerData) as Asked
const port = isMainThread ? process : parentPort!
const rounds: Record<string, number> = {}
const kept: unknown[] = []
/** How often each order came: another may come before the one before it is seen. */
const orders = { stop: 0, go: 0 }
let stops = 0
port.on('message', (order: Order) => (orders[order] += 1))
// It ends with who started it.
if (isMainThread) process.on('disconnect', () => process.exit())

function tell(): void {
  const told: Told = { rounds, thread: threadUsage(), process: processUsage(asked.folder) }
  if (isMainThread) process.send!(told)
  else parentPort!.postMessage(told)
}

/** Tells what is used once garbage is collected, and waits for another order. */
async function stop(): Promise<void> {
  if (asked.leak) leak()
  let left = 3
  await collect(() => (left -= 1) < 0)
  tell()
  stops += 1
  while (orders.go < stops) await new Promise((resolve) => port.once('message', resolve))
}

/** Leaves mappings, descriptors, memory and a thread behind. */
function leak(): void {
  const path = join(asked.folder, 'leaking')
  for (let left = 8; left > 0; left -= 1) kept.push(pmem.mapFile(path, { create: true, length: 4096 }), openSync(path, 'r'))
  kept.push(Buffer.alloc(8 << 20, 1), Array.from({ length: 50_000 }, () => ({})))
  kept.push(new Worker('setInterval(() => {}, 1000)', { eval: true }))
}

async function main(): Promise<void> {
  const works = Object.entries(worksOf(asked))
  const random = chance(asked.seed)
  for (;;) {
    const [name, work] = works[random(works.length)]!
    await work()
    rounds[name] = (rounds[name] ?? 0) + 1
    await setImmediate()
    while (stops < orders.stop) await stop()
  }
}

void main()
