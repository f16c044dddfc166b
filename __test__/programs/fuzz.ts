/**
 * Calls anything with anything, in any order: `fuzz.js FOLDER SEED COUNT`. What is thrown must be an error with a code, or one of the
 * language's own; what nobody touched must be as it was; and files must be sound in the end. It prints how many calls there were.
 */

import { EventEmitter } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { journal, objects, pmem, pmemblk, pmemlog } from 'pmem'

/** How an argument is made, once there is something to make it of. */
type Argument =
  | { kind: 'plain'; value: unknown }
  | { kind: 'path'; name: string }
  | { kind: 'found'; index: number }
  | { kind: 'callback'; step: Step; returns: unknown; throws: boolean }
  | { kind: 'list'; items: Argument[] }
  | { kind: 'options'; entries: [string, Argument][] }

/** A member of something that is there, got, set or called. */
interface Step {
  receiver: number
  member: number
  args: Argument[]
  sets: boolean
}

const NUMBERS = [0, 1, 2, 3, 7, 8, 64, 512, 4095, 4096, 65_536, 2 ** 21, -1, 0.5, Number.NaN, Infinity, -Infinity, 2 ** 31, 2 ** 32, 2 ** 53 - 1, 2 ** 53]
const OTHERS = [undefined, null, true, false, 1n, -1n, 2n ** 64n, Symbol('any'), Uint8Array, DataView, Float64Array, new Date(0), /x/, Map, 'auto', 'rust', 'wasm', 'group', 'first']
const NAMES = ['log', 'blocks', 'region', 'journal', 'store', 'new', 'missing/new', '', '\0']
const OPTIONS = ['create', 'readonly', 'length', 'offset', 'memory', 'shared', 'engine', 'sparse', 'mode', 'durable', 'expected', 'from', 'to', 'limit', 'maxBytes', 'root', 'classes', 'version', 'durability', 'busyTimeout', 'maxPending', 'start', 'end', 'reverse', 'batch', 'force', 'highWaterMark', 'maxLength', 'then', 'next', 'done', 'value']

const { step } = fc.letrec<{ argument: Argument; step: Step }>((tie) => ({
  argument: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 5, arbitrary: fc.constantFrom(...NUMBERS).map((value): Argument => ({ kind: 'plain', value })) },
    { weight: 2, arbitrary: fc.constantFrom(...OTHERS).map((value): Argument => ({ kind: 'plain', value })) },
    { weight: 2, arbitrary: fc.string({ maxLength: 20 }).map((value): Argument => ({ kind: 'plain', value })) },
    { weight: 2, arbitrary: fc.uint8Array({ maxLength: 600 }).map((value): Argument => ({ kind: 'plain', value })) },
    { weight: 2, arbitrary: fc.constantFrom(...NAMES).map((name): Argument => ({ kind: 'path', name })) },
    { weight: 4, arbitrary: fc.nat().map((index): Argument => ({ kind: 'found', index })) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('callback' as const), step: tie('step'), returns: fc.constantFrom(undefined, false, 0, true), throws: fc.boolean() }) },
    { weight: 1, arbitrary: fc.array(tie('argument'), { maxLength: 3 }).map((items): Argument => ({ kind: 'list', items })) },
    { weight: 2, arbitrary: fc.array(fc.tuple(fc.constantFrom(...OPTIONS), tie('argument')), { maxLength: 3 }).map((entries): Argument => ({ kind: 'options', entries })) },
  ),
  step: fc.record({ receiver: fc.nat(), member: fc.nat(), args: fc.array(tie('argument'), { maxLength: 4 }), sets: fc.constantFrom(false, false, false, true) }),
}))

/** What a callback of ours throws. */
class Ours extends Error {
  readonly code = 'ERR_OURS'
}

/** That something was thrown that may be thrown. */
function check(error: unknown): void {
  // `throw` and `abort` hand on what they were given.
  if (!(error instanceof Error)) return
  const { code } = error as { code?: unknown }
  // ABORT_ERR is what Node.js says of a stream that is disposed of.
  if (typeof code === 'string' && /^(E[A-Z_]+|ABORT_ERR$)/.test(code)) return
  if (error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError || error instanceof DOMException) return
  throw new Error('something without a code was thrown', { cause: error })
}

const LANGUAGE = new Set<object>([Object.prototype, Function.prototype])

/** The names of all members, but for what every object has, and what an instance of a class keeps to itself. */
function members(value: object): (string | symbol)[] {
  const names = new Set<string | symbol>()
  const prototype = Reflect.getPrototypeOf(value)
  const isPlain = prototype === null || LANGUAGE.has(prototype) || Array.isArray(value)
  for (let at: object | null = isPlain ? value : prototype; at !== null && !LANGUAGE.has(at); at = Reflect.getPrototypeOf(at)) {
    for (const name of Reflect.ownKeys(at)) if (isTaken(name)) names.add(name)
  }
  return [...names]
}

/** A generator's `throw` throws whatever it is given. */
function isTaken(name: string | symbol): boolean {
  return name !== 'constructor' && name !== 'throw' && !(typeof name === 'string' && /^\d+$/.test(name))
}

/** Nobody may change these for all. */
const MODULES = new Set<object>([pmem, pmemlog, pmemblk, journal, objects])

/** A promise is waited for no longer than this, in milliseconds: some wait for what never comes. */
const PATIENCE = 10

let calls = 0

/** Things that were found, and the calls on them. */
class World {
  readonly #folder: string
  readonly #found: unknown[]
  readonly #waiting: Promise<unknown>[] = []

  constructor(folder: string, found: unknown[]) {
    this.#folder = folder
    this.#found = found
  }

  run({ receiver, member, args, sets }: Step): void {
    const target = this.#found[receiver % this.#found.length] as object
    try {
      const names = members(target)
      const name = names[member % Math.max(names.length, 1)]
      if (name === undefined) return
      calls += 1
      if (process.env.PMEM_FUZZ_CALLS) console.error(`${target.constructor?.name} ${String(name)}`)
      const isSet = sets && !MODULES.has(target) && !(target instanceof EventEmitter)
      if (isSet) Reflect.set(target, name, this.#make(args[0] ?? { kind: 'plain', value: 1 }))
      const got: unknown = Reflect.get(target, name)
      this.#keep(typeof got === 'function' && !isSet ? Reflect.apply(got, target, args.map((arg) => this.#make(arg))) : got)
    } catch (error) {
      check(error)
    }
  }

  #make(arg: Argument): unknown {
    switch (arg.kind) {
      case 'plain':
        return arg.value
      case 'path':
        return join(this.#folder, arg.name)
      case 'found':
        return this.#found[arg.index % this.#found.length]
      case 'callback':
        return () => {
          this.run(arg.step)
          if (arg.throws) throw new Ours()
          return arg.returns
        }
      case 'list':
        return arg.items.map((item) => this.#make(item))
      case 'options':
        return Object.fromEntries(arg.entries.map(([name, value]) => [name, this.#make(value)]))
    }
  }

  #keep(result: unknown): void {
    if (result instanceof Promise) {
      this.#waiting.push(result.then((value) => this.#keep(value), check))
      return
    }
    // A class is everyone's.
    if (typeof result !== 'object' || result === null) return
    // `destroy` gives back what it was called with.
    if (result instanceof EventEmitter) result.on('error', (error: unknown) => (error instanceof Error ? check(error) : undefined))
    // What was found lately is taken more often.
    if (this.#found.length < 200) this.#found.push(result)
  }

  /** Waits a little for what is under way. */
  async settle(): Promise<void> {
    const soon = new Promise((resolve) => setTimeout(resolve, PATIENCE))
    await Promise.race([Promise.all(this.#waiting.splice(0)), soon])
  }

  close(): void {
    for (const value of this.#found) {
      try {
        const thing = value as { close?: () => void; destroy?: () => void }
        if (value instanceof pmem.Region || value instanceof pmemlog.Log || value instanceof pmemblk.BlockArray || value instanceof journal.Journal) thing.close?.()
        else if (value instanceof objects.Store || value instanceof objects.Snapshot) thing.close?.()
        else if (value instanceof EventEmitter) thing.destroy?.()
      } catch (error) {
        check(error)
      }
    }
  }
}

/** One of each, with something in it. */
function makeAll(folder: string): unknown[] {
  const at = (name: string) => join(folder, name)
  writeFileSync(at('region'), Buffer.alloc(8192, 1))
  const region = pmem.map(at('region'))
  const log = pmemlog.create(at('log'), undefined, { sparse: true })
  log.append('something')
  const blocks = pmemblk.create(at('blocks'), 512, undefined, { sparse: true })
  blocks.write('something', 1)
  const records = journal.open(at('journal'), { segmentSize: 65_536 })
  records.append('something')
  const store = objects.open<Map<string, unknown>>(at('store'), { root: (made) => made.map() })
  const root = store.root as unknown as Map<string, unknown>
  store.transaction(() => root.set('list', [1, 2]).set('sorted', store.sortedMap([['a', 1]])).set('object', { one: 1 }))
  return [region, region.view(Uint8Array), log, blocks, records, records.cursor('one'), store, root, root.get('list'), root.get('sorted'), root.get('object')]
}

/** The same of each, which nobody else knows: what is in it stays what it is. */
class Witness {
  readonly #folder: string
  readonly #log: pmemlog.Log
  readonly #blocks: pmemblk.BlockArray
  readonly #records: journal.Journal
  readonly #store: objects.Store<Map<string, number> | null>
  readonly #region: pmem.Region
  #rounds = 0

  constructor(folder: string) {
    const at = (name: string) => join(folder, name)
    this.#folder = folder
    this.#log = pmemlog.create(at('log'), undefined, { sparse: true })
    this.#blocks = pmemblk.create(at('blocks'), 512, undefined, { sparse: true })
    this.#records = journal.open(at('journal'), { segmentSize: 65_536 })
    this.#store = objects.open(at('store'), { root: (made) => made.map<string, number>() }) as objects.Store<Map<string, number> | null>
    this.#region = pmem.mapFile(at('region'), { create: true, length: 4096 }) as pmem.Region
  }

  /** Changes something in each, and looks at what was there before. */
  look(): void {
    this.#rounds += 1
    const round = this.#rounds
    this.#log.append('x')
    this.#blocks.write(`round ${round}`, round % 8)
    this.#records.append(`round ${round}`)
    this.#store.root?.set('round', round)
    this.#region.copyFrom(`round ${round}`, 0, { durable: true })
    const text = `round ${round}`
    const seen = [
      this.#log.tell() === round,
      this.#blocks.readText(round % 8) === text,
      this.#records.get(round - 1)?.data.toString() === text,
      this.#records.next === round,
      this.#store.root?.get('round') === round,
      this.#region.view(Uint8Array, 0, text.length).every((byte, index) => byte === text.charCodeAt(index as number)),
    ]
    if (!seen.every(Boolean)) throw new Error(`what nobody touched is another: ${JSON.stringify(seen)}`)
  }

  /** That the files are sound. */
  end(): void {
    const at = (name: string) => join(this.#folder, name)
    for (const each of [this.#log, this.#blocks, this.#records, this.#store, this.#region]) each.close()
    const sound = [pmemlog.check(at('log')), pmemblk.check(at('blocks')), journal.check(at('journal')).sound, objects.check(at('store')).sound]
    if (!sound.every(Boolean)) throw new Error(`files that nobody touched are damaged: ${JSON.stringify(sound)}`)
  }
}

async function main(): Promise<void> {
  const [folder = '.', seed = '1', count = '1'] = process.argv.slice(2)
  process.chdir(folder)
  process.on('unhandledRejection', check)
  // From a callback of ours that a stream of Node.js called, which throws it on to nobody.
  process.on('uncaughtException', (error) => {
    if (error instanceof Ours) return
    console.error(error)
    process.exit(1)
  })
  mkdirSync(join(folder, 'witness'))
  const witness = new Witness(join(folder, 'witness'))
  let round = 0
  const property = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 150, size: 'max' }), async (steps) => {
    round += 1
    const own = join(folder, String(round))
    mkdirSync(own)
    const world = new World(own, [...MODULES, ...makeAll(own)])
    for (const [index, each] of steps.entries()) {
      world.run(each)
      if (index % 8 === 0) await world.settle()
    }
    world.close()
    await world.settle()
    witness.look()
    rmSync(own, { recursive: true, force: true })
  })
  await fc.assert(property, { seed: Number(seed), numRuns: Number(count), endOnFailure: true })
  witness.end()
  console.log(JSON.stringify({ rounds: round, calls }))
  // What waits for ever need not be waited for.
  process.exit(0)
}

main().catch((error: unknown) => {
  console.error(error)
  process.exit(1)
})
