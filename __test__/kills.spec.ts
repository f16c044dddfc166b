/** Writers of regions, logs and blocks that are killed at any time, again and again, also while they make or open them. */

import { existsSync, rmSync, statSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { capabilities, pmem, pmemblk, pmemlog } from 'pmem'
import { BLOCK, BLOCKS, type How, REGION, SLOT, blockAfter, record, slotOf } from './helpers/kills.js'
import { contents, engines, file, sameBytes } from './helpers/pools.js'
import { KILLS, start } from './helpers/tellers.js'

const random = (below: number) => Math.floor(Math.random() * below)

async function until(condition: () => boolean): Promise<void> {
  for (let left = 20_000; left > 0 && !condition(); left -= 1) await pause(1)
}

/**
 * Looks at what a writer left that began after the step `before`, from what it told. Gives the last step that is there.
 */
type Look = (t: ExecutionContext, path: string, before: number, lines: readonly string[], how: How) => number

/** The last step that was acknowledged. */
function toldOf(lines: readonly string[], before: number): number {
  return Number(lines.findLast((line) => /^\d/.test(line)) ?? before)
}

/** Kills writers, one of five while it makes what it writes, or opens it. */
async function killAll(t: ExecutionContext, what: string, how: How, look: Look): Promise<void> {
  t.timeout(KILLS * 10_000 + 60_000)
  const path = file(t)
  let [last, acknowledged, startup, early, makings] = [0, 0, 100, 0, 0]
  for (let number = 0; number < KILLS; number += 1) {
    const isEarly = number % 5 === 4
    if (number % 10 === 9) {
      rmSync(path, { force: true })
      last = 0
      makings += 1
    }
    const [writer, began] = [start(t, 'kills.js', what, path, `${last + 1}`, how), performance.now()]
    if (isEarly) {
      await pause(startup / 2 + random(startup))
    } else {
      await until(() => writer.lines.length > 0)
      startup = performance.now() - began
      // Each other one has acknowledged a step before it is killed.
      if (number % 2 === 0) await until(() => writer.lines.length > 1)
      await pause(random(200))
    }
    await writer.kill()
    if (writer.lines.length === 0) early += 1
    if (!existsSync(path)) {
      t.is(writer.lines.length, 0)
      continue
    }
    const told = toldOf(writer.lines, last)
    acknowledged += told - last
    last = look(t, path, last, writer.lines, how)
    t.true(last >= told, `${number}: ${told} is acknowledged, ${last} is there`)
  }
  t.true(acknowledged > 0)
  t.log(`${KILLS} kills, ${early} of them before it was open, ${makings} new files, ${acknowledged} acknowledged steps`)
}

function lookAtRegion(t: ExecutionContext, path: string, before: number, lines: readonly string[]): number {
  const { size } = statSync(path)
  // It has its length when it has its name.
  t.true(size > 0 && size % REGION === 0, `${size}`)
  const region = pmem.map(path)
  const step = region.read(4).readInt32LE()
  const told = toldOf(lines, before)
  t.true(step === told || step === told + 1, `${step} is there, ${told} acknowledged`)
  region.seek(slotOf(step))
  if (step > 0) sameBytes(t, region.read(SLOT), Buffer.from(new Int32Array(SLOT / 4).fill(step).buffer), `the slot of ${step}`)
  region.close()
  return step
}

function lookAtLog(t: ExecutionContext, path: string, before: number, lines: readonly string[]): number {
  t.true(pmemlog.check(path))
  const log = pmemlog.open(path)
  const bytes = contents(log)
  const told = toldOf(lines, before)
  if (bytes.length === 0) {
    t.true(told === 0 || lines.at(-1)?.startsWith('rew'), `an empty log after ${lines.slice(-3)}`)
    // The next writer finds something.
    log.append(record(told + 1))
    log.close()
    return told + 1
  }
  log.close()
  let step = Number.parseInt(bytes.toString('latin1', 0, 10), 10)
  let offset = 0
  for (; offset < bytes.length; step += 1) {
    const expected = record(step)
    sameBytes(t, bytes.subarray(offset, offset + expected.length), expected, `record ${step}`)
    offset += expected.length
  }
  // Of what was not acknowledged there may be one call's records.
  t.true(step - 1 <= told + 10, `${step - 1} is there, ${told} acknowledged`)
  return step - 1
}

function lookAtBlocks(t: ExecutionContext, path: string, before: number, lines: readonly string[]): number {
  t.true(pmemblk.check(path))
  const blocks = pmemblk.open(path, BLOCK)
  const isAs = (step: number, index: number): boolean => {
    const expected = step > 0 ? blockAfter(step) : Buffer.alloc(BLOCK)
    try {
      const found = blocks.read(index)
      return expected !== undefined && found.equals(expected)
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EIO' && expected === undefined
    }
  }
  const told = toldOf(lines, before)
  const next = told + 1
  const last = isAs(next, next % BLOCKS) ? next : told
  for (let index = 0; index < BLOCKS; index += 1) {
    // The newest step that changed the block.
    const step = Math.max(0, last - ((last - index + BLOCKS) % BLOCKS))
    t.true(isAs(step, index), `block ${index} is not that of step ${step}`)
  }
  blocks.close()
  return last
}

const memories = (['external', 'wasm', 'shared'] as const).filter((memory) => capabilities.externalBuffers || memory === 'wasm')
const all: (readonly [what: string, ways: readonly How[], look: Look])[] = [
  ['region', memories, lookAtRegion],
  ['log', engines, lookAtLog],
  ['blocks', engines, lookAtBlocks],
]

for (const [what, ways, look] of all) {
  for (const how of ways) test(`${what}: ${KILLS} writers are killed, and what was acknowledged is there, and nothing else: ${how}`, (t) => killAll(t, what, how, look))
}
