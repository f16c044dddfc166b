/**
 * A process that changes a region, a log or blocks until it is killed:
 *
 *     kills.js region|log|blocks PATH STEP HOW
 *
 * STEP is the first one that it does. What it has to tell it writes at once, a line each, so that a kill loses none of it: each step
 * once it is acknowledged. HOW is the kind of memory of a region, and the engine of a pool.
 */

import { existsSync, writeSync } from 'node:fs'
import { pmem, pmemblk, pmemlog } from 'pmem'
import { BLOCKS, BLOCK, REGION, SLOT, type How, blockAfter, record, slotOf } from '../helpers/kills.js'

const [what, path, first, how] = process.argv.slice(2) as [keyof typeof works, string, string, How]
const tell = (line: number | string) => void writeSync(1, `${line}\n`)
const random = (below: number) => Math.floor(Math.random() * below)

/** The next step's slot is made durable before the number that makes it the current one. */
async function writeSlots(): Promise<void> {
  const memory: pmem.MapOptions = how === 'shared' ? { shared: true } : { memory: how as 'external' | 'wasm' }
  const isThere = existsSync(path)
  const region: pmem.AnyRegion = isThere ? pmem.map(path, undefined, { ...memory, maxLength: 16 * REGION }) : pmem.mapFile(path, { ...memory, create: true, length: REGION, maxLength: 16 * REGION })
  tell('open')
  if (region.byteLength < 16 * REGION && random(4) === 0) region.grow(region.byteLength + REGION)
  const numbers = region.view(Int32Array)
  for (let step = Number(first); ; step += 1) {
    const at = slotOf(step)
    if (step % 3 === 0) region.copyFrom(Buffer.from(new Int32Array(SLOT / 4).fill(step).buffer), at)
    else numbers.subarray(at / 4, (at + SLOT) / 4).fill(step)
    if (step % 3 === 1) region.persist(at, SLOT)
    else if (step % 3 === 2) await region.persistAsync(at, SLOT)
    Atomics.store(numbers, 0, step)
    region.persist(0, 4)
    tell(step)
  }
}

async function appendRecords(): Promise<void> {
  const log = pmemlog.open(path, { create: true, engine: how as 'rust' })
  tell('open')
  for (let step = Number(first); ; ) {
    if (log.free < 100_000) {
      tell('rewind')
      log.rewind()
      tell('rewound')
    }
    const records = Array.from({ length: 1 + random(10) }, (_, index) => record(step + index))
    switch (random(4)) {
      case 0:
        for (const one of records) log.append(one)
        break
      case 1:
        log.appendMany(records)
        break
      case 2:
        log.appendv(records)
        break
      default:
        await Promise.all(records.map((one) => log.appendAsync(one)))
    }
    step += records.length
    tell(step - 1)
  }
}

async function writeBlocks(): Promise<void> {
  const blocks = pmemblk.open(path, BLOCK, { create: true, engine: how as 'rust' })
  tell('open')
  for (let step = Number(first); ; step += 1) {
    const index = step % BLOCKS
    const block = blockAfter(step)
    if (block === undefined) blocks.setError(index)
    else if (block[0] === 0) blocks.setZero(index)
    else if (random(3) === 0) await blocks.writeAsync(block, index)
    else blocks.write(block, index)
    tell(step)
  }
}

const works = { region: writeSlots, log: appendRecords, blocks: writeBlocks }

void works[what]()
