/**
 * The power is cut at any point of what random programs do with a journal: what was acknowledged is there, and no batch by half.
 * `PMEM_TEST_CRASHES` says how many programs there are, `PMEM_TEST_SEED` does what a run did again.
 */

import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { journal } from 'pmem'
import { MEDIA, type Image, firstProblem, judge, tally } from './helpers/powercuts.js'
import type { Asked, Known, Told } from './programs/journal-powercuts.js'

const PROGRAMS = Number(process.env['PMEM_TEST_CRASHES'] ?? 6)
const SEED = Number(process.env['PMEM_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

/** As the program has it. */
function recordOf(sequence: number): string {
  return `${sequence} ${'.'.repeat((sequence * 7919) % 500)}`
}

/** What is wrong with an image; nothing where it is right. */
function problemOf({ folder, known: { least, ends, kept } }: Image<Known>): string | undefined {
  try {
    using events = journal.open(join(folder, 'journal'))
    const { first, next } = events
    if (next < least) return `${least} records were acknowledged, and ${next} are there`
    if (!ends.includes(next)) return `half of a batch is there: ${next} of ${ends.join()}`
    if (first > kept) return `the first of its records is ${first}, and ${kept} was to be kept`
    let sequence = first
    for (const record of events) {
      if (record.sequence !== sequence || record.text() !== recordOf(sequence)) return `record ${record.sequence} is not what was appended`
      sequence += 1
    }
    return sequence === next ? undefined : `${sequence} records are there, and ${next} are said to be`
  } catch (error) {
    return `${error}`
  }
}

const judged = (t: ExecutionContext, asked: Asked, env: NodeJS.ProcessEnv) =>
  judge<Known, Told>(t, 'journal-powercuts.js', asked, env, problemOf)

for (const { medium, env } of MEDIA) {
  test.serial(`power cuts of ${PROGRAMS} programs on ${medium} leave all records that were acknowledged, with seed ${SEED}`, async (t) => {
    t.timeout(60_000 + PROGRAMS * 30_000)
    const sums = { points: 0, images: 0, ends: 0 }
    for (let number = 0; number < PROGRAMS; number += 1) {
      const { told, problems } = await judged(t, { seed: SEED + number, steps: 60, images: 40, openings: 5, inner: 20 }, env)
      for (const problem of problems) t.is(problem, undefined, `seed ${SEED + number}`)
      sums.points += told.points
      sums.images += told.images.length
      sums.ends += new Set(told.images.map(({ known }) => known.ends.length)).size
    }
    tally(t, 'journals', medium, sums)
    t.true(sums.images > 40 * PROGRAMS && sums.ends > 5 * PROGRAMS)
  })
}

async function caught(t: ExecutionContext, how: Partial<Asked>, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  return firstProblem(async (seed) => (await judged(t, { seed, steps: 60, images: 60, openings: 0, inner: 0, ...how }, env)).problems)
}

for (const fault of ['file: no sync', 'journal: new segment not synced']) {
  test.serial(`cuts show the deliberate fault '${fault}'`, async (t) => {
    t.timeout(120_000)
    const problem = await caught(t, {}, { PMEM_DELIBERATE_FAULT: fault })
    t.log(problem)
    t.truthy(problem)
  })
}

test.serial('cuts show what is acknowledged before its flush', async (t) => {
  t.timeout(120_000)
  const problem = await caught(t, { hasty: true }, {})
  t.log(problem)
  t.regex(problem ?? '', /records were acknowledged/)
})
