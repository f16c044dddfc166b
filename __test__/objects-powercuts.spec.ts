/**
 * The power is cut at any point of what random programs do with a store, also of its being opened again: what was acknowledged is there,
 * and no transaction by half. The long run:
 *
 *     PMEM_TEST_CRASHES=500 npx ava build/__test__/objects-powercuts.spec.js
 *
 * PMEM_TEST_SEED does what a run did again.
 */

import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import { objects } from 'pmem'
import { folder } from './helpers/files.js'
import { difference, formOf } from './helpers/forms.js'
import { MEDIA, firstProblem, type Image, record, tally } from './helpers/powercuts.js'
import type { Asked, Known, Told } from './programs/objects-powercuts.js'

const PROGRAMS = Number(process.env['PMEM_TEST_CRASHES'] ?? 4)
const SEED = Number(process.env['PMEM_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

class Item extends objects.Persistent {}

/** What is wrong with an image, and in which of the states that it may be in it is. */
interface Verdict {
  readonly problem?: string
  readonly state?: number
}

function formIn(path: string): unknown {
  const { sound, damage } = objects.check(path)
  if (!sound) throw new Error(`it is damaged: ${damage!.join('\n')}`)
  const store = objects.open<any>(path, { classes: { Item }, create: false })
  try {
    return formOf(objects.toPlain(store.root))
  } finally {
    store.close()
  }
}

/** What is wrong with the backups: those that are known are there, and one that is there is whole. */
function checkBackups(path: string, known: number, backups: readonly unknown[]): void {
  for (const [index, form] of backups.entries()) {
    const backup = `${path}-backup-${index}`
    if (!existsSync(backup)) {
      if (index < known) throw new Error(`backup ${index} is not there`)
    } else if (!isDeepStrictEqual(formIn(backup), form)) throw new Error(`backup ${index} is not what was there`)
  }
}

function judge({ folder, known }: Image<Known>, { states, backups }: Told): Verdict {
  const path = join(folder, 'store')
  try {
    const form = existsSync(path) ? formIn(path) : formOf(null)
    checkBackups(path, known.backups, backups)
    const state = known.states.findLast((number) => isDeepStrictEqual(states[number], form))
    if (state !== undefined) return { state }
    return { problem: `it has none of the states ${known.states.join()}: ${difference(form, states[known.states.at(-1) ?? 0])}` }
  } catch (error) {
    return { problem: `${error}` }
  }
}

/** Runs programs, and judges what is left of them. */
async function judged(t: ExecutionContext, seed: number, how: Omit<Asked, 'seed'>, env: NodeJS.ProcessEnv) {
  const place = folder(t)
  mkdirSync(join(place, 'written'))
  const told = await record<Told>(t, 'objects-powercuts.js', { folder: place, seed, ...how } as Asked & { folder: string }, env)
  const verdicts = told.images.map((image) => ({ ...image, ...judge(image, told) }))
  rmSync(place, { recursive: true })
  return { told, verdicts }
}

const SMALL = { PMEM_SMALL_STORES: '1' }

for (const [index, { medium, env }] of MEDIA.entries()) {
  for (const durability of ['commit', 'group'] as const) {
    test.serial(`power cuts of ${PROGRAMS} programs on ${medium}, durable by ${durability}, leave all that was acknowledged, with seed ${SEED}`, async (t) => {
      t.timeout(120_000 + PROGRAMS * 30_000)
      const sums: Record<string, number> = { points: 0, images: 0, pending: 0, states: 0, early: 0 }
      const add = (name: string, count: number) => (sums[name] = (sums[name] ?? 0) + count)
      for (let number = 0; number < PROGRAMS; number += 1) {
        // One store in four is of the size that stores have; the others have a short log, and nodes of few entries.
        const small = number % 4 < 3
        const seed = SEED + 10 * number + index
        const how = { durability, transactions: small ? 60 : 30, images: 30, openings: 2, inner: 6 }
        const { told, verdicts } = await judged(t, seed, how, { ...env, ...(small && SMALL) })
        for (const { problem, folder } of verdicts) t.is(problem, undefined, `seed ${seed}, ${folder}`)
        add('points', told.points)
        add('images', verdicts.length)
        add('pending', verdicts.filter(({ pending }) => pending > 0).length)
        add('states', new Set(verdicts.map(({ state }) => state)).size)
        add('early', verdicts.filter(({ state, known }) => state !== known.states.at(-1)).length)
        for (const [name, count] of Object.entries(told.counts)) add(name, count)
      }
      tally(t, `objects, durable by ${durability}`, medium, sums)
      t.true(sums['images']! > 30 * PROGRAMS && sums['pending']! > 5 * PROGRAMS && sums['states']! > 5 * PROGRAMS)
      if (PROGRAMS >= 4) t.deepEqual(Object.entries(sums).filter(([, count]) => count === 0), [])
    })
  }
}

test.serial('every point of short programs is cut', async (t) => {
  t.timeout(120_000)
  for (const { medium, env } of MEDIA) {
    const how = { durability: 'commit', transactions: 4, images: 1000, openings: 0, inner: 0 } as const
    const { told, verdicts } = await judged(t, SEED, how, { ...env, ...SMALL })
    t.is(verdicts.length, told.points)
    for (const { problem, folder } of verdicts) t.is(problem, undefined, `seed ${SEED}, ${folder}`)
    tally(t, 'objects, every point', medium, { images: verdicts.length })
  }
})

/** What is wrong with the first image of which something is, of programs that have a fault. */
async function caught(t: ExecutionContext, how: Partial<Asked>, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  return firstProblem(async (seed) => {
    const { verdicts } = await judged(t, seed, { durability: 'commit', transactions: 40, images: 60, openings: 0, inner: 0, ...how }, { ...env, ...SMALL })
    return verdicts.map(({ problem }) => problem)
  })
}

for (const fault of ['heap: log not synced', 'heap: slot before nodes', 'heap: unfinished copy has a name', 'objects: free queue not written']) {
  test.serial(`cuts show the deliberate fault '${fault}'`, async (t) => {
    t.timeout(120_000)
    const problem = await caught(t, {}, { PMEM_DELIBERATE_FAULT: fault })
    t.log(problem?.slice(0, 200))
    t.truthy(problem)
  })
}

test.serial('cuts show what is acknowledged before its flush', async (t) => {
  t.timeout(120_000)
  const problem = await caught(t, { durability: 'group', hasty: true }, {})
  t.log(problem?.slice(0, 200))
  t.regex(problem ?? '', /^it has none of the states/)
})
