/**
 * The power is cut at each sync, write and size of what libpmemlog and libpmemblk do to a pool, in a C program and behind the engine `pmdk`:
 * every change that returned is there, and none by half. What is left is opened by each engine, and `pmempool check` accepts it.
 * `PMEM_TEST_CRASHES` says how many programs there are, `PMEM_TEST_SEED` does what a run did again.
 *
 * The name of a pool counts as durable, of which the C libraries make sure of nothing.
 */

import { spawnSync } from 'node:child_process'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { pmemblk, pmemlog } from 'pmem'
import { chance } from './helpers/chance.js'
import { CutFile, compilePreloaded, preloading, waysOf } from './helpers/crash-points.js'
import { folder } from './helpers/files.js'
import { hasPmempool, isFalseAlarm, inconsistency } from './helpers/pmempool.js'
import { type EngineName, engines, pattern, skipped } from './helpers/pools.js'
import { inC, missing } from './helpers/pools-c.js'
import { tally } from './helpers/powercuts.js'
import { program } from './helpers/programs.js'

const PROGRAMS = Number(process.env['PMEM_TEST_CRASHES'] ?? 1)
const SEED = Number(process.env['PMEM_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

type Kind = 'log' | 'blk'
/** What a log holds, or the blocks that are looked at: each as text, `error` for what cannot be read. */
type State = readonly string[]

/** A script for a pool, and what the pool has after each of its lines, from none on. */
interface Script {
  readonly lines: readonly string[]
  readonly states: readonly State[]
}

const SIZES = { log: pmemlog.MIN_POOL, blk: pmemblk.MIN_POOL }
const BLOCK_SIZE = 512
const INDEXES = [0, 1, 2, 3, 100, 101, 32_000]

function found(kind: Kind, path: string, engine: EngineName): State {
  if (kind === 'log') {
    using log = pmemlog.open(path, { engine })
    return [log.read(0, log.tell()).toString('hex')]
  }
  using blocks = pmemblk.open(path, 0, { engine })
  return INDEXES.map((index) => {
    try {
      return blocks.read(index).toString('hex')
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EIO' ? 'error' : `${error}`
    }
  })
}

function lineOf(kind: Kind, state: State, random: (below: number) => number): { line: string; next: State } {
  const some = (most: number) => pattern(1 + random(most), random(2 ** 30)).toString('hex')
  if (kind === 'log') {
    if (random(8) === 0) return { line: 'rewind', next: [''] }
    const parts = Array.from({ length: 1 + random(3) }, () => some([30, 600, 9000][random(3)]!))
    const line = parts.length === 1 ? `append ${parts[0]}` : `appendv ${parts.join(' ')}`
    return { line, next: [state[0]! + parts.join('')] }
  }
  const at = random(INDEXES.length)
  const index = INDEXES[at]!
  const zeros = Buffer.alloc(BLOCK_SIZE).toString('hex')
  const data = pattern(BLOCK_SIZE, random(2 ** 30)).toString('hex')
  const [line, value] = [[`zero ${index}`, zeros], [`error ${index}`, 'error'], [`write ${index} ${data}`, data]][Math.min(random(6), 2)]!
  return { line: line!, next: state.with(at, value!) }
}

function scriptOf(kind: Kind, first: State, length: number, random: (below: number) => number): Script {
  const [lines, states] = [[] as string[], [first]]
  for (let left = length; left > 0; left -= 1) {
    const { line, next } = lineOf(kind, states.at(-1)!, random)
    lines.push(line)
    states.push(next)
  }
  return { lines, states }
}

/** Who changes a pool. */
interface Actor {
  readonly name: string
  /** Whether it makes pools under their names. The engine gives a name to what is whole, and does so as with its other engine. */
  readonly makes: boolean
  /** Runs a script over a pool, which is made first where its size is given. */
  run(kind: Kind, path: string, size: number | undefined, lines: readonly string[], env: NodeJS.ProcessEnv): void
}

const ACTORS: readonly Actor[] = [
  {
    name: 'C',
    makes: true,
    run(kind, path, size, lines, env) {
      const args = [...(size === undefined ? ['open', path] : ['create', path, size]), ...(kind === 'blk' ? [BLOCK_SIZE] : [])]
      const answers = inC(kind, args, lines, env)
      if (answers.some((answer) => answer !== 'ok')) throw new Error(answers.join())
    },
  },
  {
    name: 'JavaScript, engine pmdk',
    makes: false,
    run(kind, path, _, lines, env) {
      const options = { input: lines.join('\n'), encoding: 'utf8', env: { ...process.env, ...env } } as const
      const { status, stderr } = spawnSync(process.execPath, [program('pools-preloaded.js'), kind, path], options)
      if (status !== 0) throw new Error(stderr)
    },
  },
]

function make(kind: Kind, path: string): void {
  const options = { engine: 'pmdk' } as const
  if (kind === 'log') pmemlog.create(path, SIZES[kind], options).close()
  else pmemblk.create(path, BLOCK_SIZE, SIZES[kind], options).close()
}

class Cutting {
  images = 0
  points = 0
  pending = 0
  recovered = 0
  readonly problems: string[] = []
  readonly #image: string
  readonly #random: (below: number) => number

  constructor(
    readonly kind: Kind,
    readonly where: string,
    readonly actor: Actor,
    readonly object: string,
    readonly env: NodeJS.ProcessEnv,
    seed: number,
  ) {
    this.#image = join(where, 'image')
    this.#random = chance(seed)
  }

  /** Runs a script that makes a pool, and cuts it; and goes on from some of what that leaves, and cuts that. */
  cut(length: number, openings: number): void {
    const zeros = Buffer.alloc(BLOCK_SIZE).toString('hex')
    const first = this.kind === 'log' ? [''] : INDEXES.map(() => zeros)
    const path = join(this.where, 'pool')
    if (!this.actor.makes) make(this.kind, path)
    const size = this.actor.makes ? SIZES[this.kind] : undefined
    const left = this.#cutAll(path, size, scriptOf(this.kind, first, length, this.#random), openings)
    for (const path of left) {
      this.recovered += 1
      copyFileSync(path, this.#image)
      const script = scriptOf(this.kind, found(this.kind, this.#image, 'rust'), 3, this.#random)
      this.#cutAll(path, undefined, script, 0)
    }
  }

  /** Runs a script, and judges what cuts leave; some of it is kept, in files of its own. */
  #cutAll(path: string, size: number | undefined, { lines, states }: Script, openings: number): string[] {
    const trace = join(this.where, 'trace')
    this.actor.run(this.kind, path, size, lines, preloading(this.object, path, trace, this.env))
    const kept: string[] = []
    for (const file of CutFile.points(trace, 12, this.#random)) {
      this.points += 1
      const mayBeMissing = file.mark === 0 && size !== undefined
      const possible = states.slice(Math.max(file.mark - 1, 0), file.mark + 1)
      for (const { unit, survives } of waysOf(file, this.#random)) {
        file.write(this.#image, unit, survives)
        if (kept.length < openings && !mayBeMissing && this.#random(lines.length) === 0) {
          kept.push(join(this.where, `left-${kept.length}`))
          copyFileSync(this.#image, kept.at(-1)!)
        }
        const problem = this.#problem(possible, mayBeMissing)
        if (problem !== undefined) this.problems.push(`after line ${file.mark}, by ${unit}: ${problem}`)
        this.pending += file.pending > 0 ? 1 : 0
        this.images += 1
      }
    }
    return kept
  }

  /** What is wrong with an image; nothing where it is right. */
  #problem(possible: readonly State[], mayBeMissing: boolean): string | undefined {
    const engine = engines[this.images % engines.length]!
    try {
      const isChecked = hasPmempool && !mayBeMissing && this.images % 4 === 0
      if (isChecked && (this.kind === 'log' || !isFalseAlarm(this.#image))) {
        const problem = inconsistency(this.#image)
        if (problem !== undefined) return problem
      }
      const state = found(this.kind, this.#image, engine)
      if (possible.some((one) => one.every((value, at) => value === state[at]))) return undefined
      return `${engine} finds none of ${possible.length} states`
    } catch (error) {
      return mayBeMissing && (error as NodeJS.ErrnoException).code !== undefined ? undefined : `${engine}: ${error}`
    }
  }
}

function cutsOf(t: ExecutionContext, kind: Kind, actor: Actor, seed: number, length: number, env: NodeJS.ProcessEnv = {}): Cutting {
  const where = folder(t)
  const cutting = new Cutting(kind, where, actor, compilePreloaded(where)!, env, seed)
  cutting.cut(length, env['CRASH_SYNCS_LOST'] === undefined ? 3 : 0)
  return cutting
}

const actors = ACTORS.filter(({ makes }) => makes || engines.includes('pmdk'))

for (const [kind, what] of [['log', 'logs'], ['blk', 'blocks']] as const) {
  for (const actor of actors) {
    const who = actor.name
    const title = `power cuts of ${PROGRAMS} scripts for ${what} in ${who} leave all that was acknowledged, with seed ${SEED}`
    if (missing !== undefined || process.platform !== 'linux') {
      skipped(title, missing ?? 'this is not Linux')
      continue
    }
    test.serial(title, (t) => {
      t.timeout(60_000 + PROGRAMS * 60_000)
      const sums = { points: 0, images: 0, pending: 0, recovered: 0 }
      for (let number = 0; number < PROGRAMS; number += 1) {
        const cutting = cutsOf(t, kind, actor, SEED + number, kind === 'log' ? 40 : 20)
        t.deepEqual(cutting.problems, [], `seed ${SEED + number}`)
        sums.points += cutting.points
        sums.images += cutting.images
        sums.pending += cutting.pending
        sums.recovered += cutting.recovered
      }
      tally(t, what, 'the page cache', sums, who)
      t.true(sums.images > 100 * PROGRAMS && sums.pending > 50 * PROGRAMS)
    })
    test.serial(`cuts of ${what} in ${who} show syncs that are lost`, (t) => {
      t.timeout(60_000)
      const { problems } = cutsOf(t, kind, actor, SEED, 5, { CRASH_SYNCS_LOST: '1' })
      t.log(`${problems.length} images`, problems[0])
      t.true(problems.length > 0)
    })
  }
}
