/**
 * The power is cut at any point of what random programs do with a region: what was acknowledged is there, and each word of 8 bytes is one
 * that was stored. `PMEM_TEST_CRASHES` says how many programs there are, `PMEM_TEST_SEED` does what a run did again.
 */

import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { pmem } from 'pmem'
import { MEDIA, type Image, firstProblem, judge, tally } from './helpers/powercuts.js'
import type { Asked, Known, Told } from './programs/region-powercuts.js'

const PROGRAMS = Number(process.env['PMEM_TEST_CRASHES'] ?? 6)
const SEED = Number(process.env['PMEM_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

/** A memory of WebAssembly does not grow. */
const GROWING = { PMEM_NO_EXTERNAL_BUFFERS: undefined }

/** What is wrong with an image; nothing where it is right. */
function problemOf({ folder, known: { length, words } }: Image<Known>): string | undefined {
  const path = join(folder, 'region')
  try {
    if (!existsSync(path)) return length === 0 ? undefined : 'the file is not there'
    if (statSync(path).size < length) return `the file has ${statSync(path).size} bytes, and had ${length}`
    if (statSync(path).size === 0 && length === 0) return undefined
    const region = pmem.map(path, undefined, { readonly: true })
    const found = region.view(BigUint64Array).slice()
    region.close()
    // A word behind the end is one that was never stored to.
    for (const [word, values] of words) {
      if (!values.includes(found[word] ?? 0n)) return `word ${word} is ${found[word]}, and may be ${values.join()}`
      if (word < found.length) found[word] = 0n
    }
    const other = found.findIndex((value) => value !== 0n)
    return other === -1 ? undefined : `word ${other} is ${found[other]}, and was never stored to`
  } catch (error) {
    return `${error}`
  }
}

const judged = (t: ExecutionContext, asked: Asked, env: NodeJS.ProcessEnv) =>
  judge<Known, Told>(t, 'region-powercuts.js', asked, { ...env, ...GROWING }, problemOf)

for (const { medium, env } of MEDIA) {
  test.serial(`power cuts of ${PROGRAMS} programs on ${medium} leave all that was acknowledged, with seed ${SEED}`, async (t) => {
    t.timeout(60_000 + PROGRAMS * 30_000)
    const sums: Record<string, number> = { points: 0, images: 0, pending: 0, open: 0 }
    const add = (name: string, count: number) => (sums[name] = (sums[name] ?? 0) + count)
    for (let number = 0; number < PROGRAMS; number += 1) {
      const { told, problems } = await judged(t, { seed: SEED + number, steps: 80, images: 60, openings: 5, inner: 12 }, env)
      for (const problem of problems) t.is(problem, undefined, `seed ${SEED + number}`)
      add('points', told.points)
      add('images', told.images.length)
      add('pending', told.images.filter(({ pending }) => pending > 0).length)
      add('open', told.images.filter(({ known }) => [...known.words.values()].some((values) => values.length > 1)).length)
      for (const [name, count] of Object.entries(told.counts)) add(name, count)
    }
    tally(t, 'regions', medium, sums)
    t.true(sums['images']! > 60 * PROGRAMS && sums['pending']! > 3 * PROGRAMS && sums['open']! > 20 * PROGRAMS)
  })
}

async function caught(t: ExecutionContext, how: Partial<Asked>, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  return firstProblem(async (seed) => (await judged(t, { seed, steps: 80, images: 60, openings: 0, inner: 0, ...how }, env)).problems)
}

const FAULTS = {
  'region: persist without drain': '1',
  'flush: last line left out': '1',
  'drain: empty': '1',
  'copy: head not flushed': '1',
  'copy: tail not flushed': '1',
  'grow: file not synced': '0',
  'keep: folder not synced': '0',
} as const

for (const [fault, forced] of Object.entries(FAULTS)) {
  test.serial(`cuts show the deliberate fault '${fault}'`, async (t) => {
    t.timeout(120_000)
    const problem = await caught(t, {}, { PMEM_DELIBERATE_FAULT: fault, PMEM_IS_PMEM_FORCE: forced })
    t.log(problem?.slice(0, 200))
    t.truthy(problem)
  })
}

test.serial('cuts show what is acknowledged before it is durable', async (t) => {
  t.timeout(120_000)
  const problem = await caught(t, { hasty: true }, { PMEM_IS_PMEM_FORCE: '0' })
  t.log(problem?.slice(0, 200))
  t.regex(problem ?? '', /^word \d+ is/)
})
