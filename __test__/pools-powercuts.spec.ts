/**
 * The power is cut at any point of what random programs do with logs and arrays of blocks, over the engine `rust`: what was acknowledged is
 * there, a log ends with a whole append, and each block is an old or a new one. What is left is opened by each engine, and `pmempool check`
 * accepts it. `PMEM_TEST_CRASHES` says how many programs there are, `PMEM_TEST_SEED` does what a run did again.
 */

import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { pmemblk, pmemlog } from 'pmem'
import { hasPmempool, isFalseAlarm, inconsistency } from './helpers/pmempool.js'
import { type EngineName, engines } from './helpers/pools.js'
import { blockNumberOf, recordOf } from './helpers/pools-powercuts.js'
import { MEDIA, type Image, firstProblem, judge, tally } from './helpers/powercuts.js'
import type { Asked, Known, Told } from './programs/pools-powercuts.js'

const PROGRAMS = Number(process.env['PMEM_TEST_CRASHES'] ?? 4)
const SEED = Number(process.env['PMEM_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

function logProblem(path: string, engine: EngineName, states: NonNullable<Known['states']>): string | undefined {
  using log = pmemlog.open(path, { engine })
  const found = log.read(0, log.tell()).toString()
  if (states.some((records) => records.map(recordOf).join('') === found)) return undefined
  return `the log has ${found.length} bytes, and none of ${states.length} states from ${states[0]!.length} records on`
}

function arrayProblem(path: string, engine: EngineName, values: NonNullable<Known['blocks']>): string | undefined {
  using blocks = pmemblk.open(path, 0, { engine })
  for (const [index, numbers] of values) {
    const found = blockNumberOf(blocks, index)
    if (!numbers.includes(found)) return `block ${index} is of ${found}, and may be of ${numbers.join()}`
  }
  // A block that was never written is zeros.
  return [9, 50, 99].every((index) => blockNumberOf(blocks, index) === 0) ? undefined : 'a block that was never written is no zeros'
}

/** What is wrong with an image; nothing where it is right. */
function problemOf({ folder, known: { made, states, blocks } }: Image<Known>, number: number): string | undefined {
  const path = join(folder, 'pool')
  const engine = engines[number % engines.length]!
  try {
    if (!existsSync(path)) return made ? 'the pool is not there' : undefined
    if (!(states ? pmemlog : pmemblk).check(path)) return 'check says that it is damaged'
    if (hasPmempool && number % 4 === 0 && (states || !isFalseAlarm(path))) {
      const problem = inconsistency(path)
      if (problem !== undefined) return problem
    }
    return states ? logProblem(path, engine, states) : arrayProblem(path, engine, blocks!)
  } catch (error) {
    return `${engine}: ${error}`
  } finally {
    // Looking at all of a sparse file makes it as large as it says that it is.
    rmSync(folder, { recursive: true })
  }
}

const judged = (t: ExecutionContext, asked: Asked, env: NodeJS.ProcessEnv) =>
  judge<Known, Told>(t, 'pools-powercuts.js', asked, env, problemOf)

for (const [kind, what] of [['log', 'logs'], ['blk', 'blocks']] as const) {
  for (const { medium, env } of MEDIA) {
    test.serial(`power cuts of ${PROGRAMS} programs with ${what} on ${medium} leave all that was acknowledged, with seed ${SEED}`, async (t) => {
      t.timeout(60_000 + PROGRAMS * 30_000)
      const sums: Record<string, number> = { points: 0, images: 0, pending: 0, open: 0 }
      const add = (name: string, count: number) => (sums[name] = (sums[name] ?? 0) + count)
      for (let number = 0; number < PROGRAMS; number += 1) {
        const asked = { kind, seed: SEED + number, steps: 60, images: 40, openings: 5, inner: 8 }
        const { told, problems } = await judged(t, asked, env)
        for (const problem of problems) t.is(problem, undefined, `seed ${SEED + number}`)
        const isOpen = ({ states, blocks }: Known) => (states ?? []).length > 1 || [...(blocks?.values() ?? [])].some(({ length }) => length > 1)
        add('points', told.points)
        add('images', told.images.length)
        add('pending', told.images.filter(({ pending }) => pending > 0).length)
        add('open', told.images.filter(({ known }) => isOpen(known)).length)
        for (const [name, count] of Object.entries(told.counts)) add(name, count)
      }
      tally(t, what, medium, sums, 'JavaScript, engine rust')
      t.true(sums['images']! > 40 * PROGRAMS && sums['pending']! > 5 * PROGRAMS && sums['open']! > 10 * PROGRAMS)
    })
  }
}

async function caught(t: ExecutionContext, how: Pick<Asked, 'kind'> & Partial<Asked>, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  return firstProblem(async (seed) => (await judged(t, { seed, steps: 60, images: 60, openings: 0, inner: 0, ...how }, env)).problems)
}

const FAULTS = [
  { kind: 'log', fault: 'log: offset before data', forced: '0' },
  { kind: 'log', fault: 'file: no sync', forced: '0' },
  { kind: 'blk', fault: 'blk: one barrier', forced: '0' },
  { kind: 'blk', fault: "blk: block's map entry forgotten", forced: '1' },
  { kind: 'blk', fault: 'drain: empty', forced: '1' },
] as const

for (const { kind, fault, forced } of FAULTS) {
  test.serial(`cuts of ${kind} show the deliberate fault '${fault}'`, async (t) => {
    t.timeout(120_000)
    const problem = await caught(t, { kind }, { PMEM_DELIBERATE_FAULT: fault, PMEM_IS_PMEM_FORCE: forced })
    t.log(problem?.slice(0, 200))
    t.truthy(problem)
  })
}

for (const kind of ['log', 'blk'] as const) {
  test.serial(`cuts show what is acknowledged before it is durable in ${kind}`, async (t) => {
    t.timeout(120_000)
    const problem = await caught(t, { kind, hasty: true }, { PMEM_IS_PMEM_FORCE: '0' })
    t.log(problem?.slice(0, 200))
    t.regex(problem ?? '', /^(the log has|block \d+ is of)/)
  })
}
