/**
 * A process that changes a store at random, and what power cuts leave of that: also of its being opened again after one, which is cut
 * again.
 */

import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { objects } from 'pmem'
import { chance } from '../helpers/chance.js'
import { formOf } from '../helpers/forms.js'
import { type AskedFor, type Image, Recording, recorded } from '../helpers/powercuts.js'

export interface Asked extends AskedFor {
  /** How many transactions there are. */
  readonly transactions: number
  readonly durability: 'commit' | 'group'
}

/** What has to be there after a cut. */
export interface Known {
  /** The store is as one of these states says, by their numbers; 0 is a store without a root, or none. */
  readonly states: readonly number[]
  /** How many backups are there. */
  readonly backups: number
}

export interface Told {
  readonly points: number
  readonly images: readonly Image<Known>[]
  /** The forms of the root after each transaction, and those of the backups. */
  readonly states: readonly unknown[]
  readonly backups: readonly unknown[]
  /** How often what was done. */
  readonly counts: Readonly<Record<string, number>>
}

export class Item extends objects.Persistent {
  [name: string]: unknown
}

class Abort extends Error {}

const { asked, tell } = recorded<Asked>()
const random = chance(asked.seed)
const pick = <T>(from: readonly T[]) => from[random(from.length)]!
const options = { classes: { Item }, durability: asked.durability }

const newRoot = (store: objects.Store<null>) => ({
  map: new Map<unknown, unknown>(),
  sorted: store.sortedMap<[number, string], unknown>(),
  list: [] as unknown[],
  set: new Set<unknown>(),
  record: {} as Record<string, unknown>,
  items: new Map<number, Item>(),
})
type Root = ReturnType<typeof newRoot>

function atom(): unknown {
  const kind = random(12)
  if (kind < 5) return random(1000)
  if (kind < 8) return 'x'.repeat(random(60))
  if (kind === 8) return pick([undefined, null, NaN, -0, 2n ** 70n, 'a\0b', '\ud800', '漢字'])
  if (kind === 9) return new Date(random(10 ** 9))
  if (kind === 10) return Uint8Array.from({ length: random(100) }, () => random(256))
  return `${random(10)}`.repeat(random(10) === 0 ? 20_000 : 700)
}

function value(depth = 0): unknown {
  const kind = depth > 1 ? 9 : random(12)
  const parts = () => Array.from({ length: random(4) }, () => value(depth + 1))
  if (kind === 0) return new Map(parts().map((part, index) => [index, part]))
  if (kind === 1) return new Set([random(9), random(9)])
  if (kind === 2) return parts()
  if (kind === 3) return Object.fromEntries(parts().map((part, index) => [`part ${index}`, part]))
  if (kind === 4) return Object.assign(new Item(), { part: value(depth + 1) })
  return atom()
}

const changes: Record<string, (root: Root) => void> = {
  'map.set': ({ map }) => void map.set(random(40), value()),
  'map.delete': ({ map }) => void map.delete(random(40)),
  'map.clear': ({ map }) => map.clear(),
  'sorted.set': ({ sorted }) => void sorted.set([random(9), 'key '.repeat(random(40))], value()),
  'sorted.delete': ({ sorted }) => {
    const first = sorted.first()
    if (first) sorted.delete(first[0])
  },
  'list.push': ({ list }) => void list.push(value(), value()),
  'list.unshift': ({ list }) => void list.unshift(value()),
  'list.splice': ({ list }) => void list.splice(random(list.length + 1), random(6), atom()),
  'list.length': ({ list }) => void (list.length = Math.floor(list.length / 2)),
  'set.add': ({ set }) => void set.add(random(60)),
  'set.delete': ({ set }) => void set.delete(random(60)),
  'record.set': ({ record }) => void (record[`field ${random(30)}`] = value()),
  'record.delete': ({ record }) => void delete record[`field ${random(30)}`],
  'record.many': ({ record }) => {
    for (let index = 0; index < 60; index += 1) record[`field ${index}`] = index
  },
  'item.set': ({ items }) => {
    const number = random(8)
    const item = items.get(number) ?? new Item()
    item[`field ${random(4)}`] = atom()
    items.set(number, item)
  },
  'item.delete': ({ items }) => void items.delete(random(8)),
  // What was there goes to the queue of what is to be freed.
  replace: (root) => {
    root.map = new Map([[1, [new Map([[2, [3, { four: 5 }]]])]]])
    root.list = [[[[1]]], { two: new Set([3]) }]
  },
  circle: ({ record, list }) => {
    const circle: unknown[] = [atom()]
    circle.push(circle)
    if (random(2) === 0) list.unshift(circle)
    record['circle'] = circle
  },
  again: ({ map, list, record }) => void map.set('again', pick([list, record, map.get('again')])),
  // More than the log takes.
  large: ({ map, sorted }) => {
    for (let index = 0; index < 30; index += 1) {
      map.set(index, `${index} `.repeat(100 + random(100)))
      sorted.set([index, ''], index)
    }
  },
}
const names = Object.keys(changes)
const rare = new Set(['map.clear', 'list.length', 'record.many', 'replace', 'circle', 'again', 'large'])

const counts = { transactions: 0, alone: 0, aborts: 0, nested: 0, nestedAborts: 0, large: 0, collections: 0, snapshots: 0, openings: 0, backups: 0, checkpoints: 0, growths: 0, recoveries: 0 }

const states: unknown[] = [formOf(null)]
const backups: unknown[] = []
const known = { acknowledged: 0, begun: 0, backups: 0 }
const form = (store: objects.Store<unknown>) => formOf(objects.toPlain(store.root))

function from(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}

function change(root: Root): void {
  let name = pick(names)
  if (rare.has(name) && random(2) > 0) name = 'map.set'
  if (name === 'large') counts.large += 1
  changes[name]!(root)
}

/** The store's transactions, each of them known before it begins and once it is acknowledged. */
class Program {
  store!: objects.Store<Root>
  readonly #path: string
  readonly #recording: Recording<Known>
  #stats = { size: Infinity, log: 0 }

  constructor(path: string, recording: Recording<Known>) {
    this.#path = path
    this.#recording = recording
  }

  mark(): void {
    this.#recording.mark({ states: from(known.acknowledged, known.begun), backups: known.backups })
  }

  /** Until it ends, nothing is changed but back to what was. */
  #begin(): number {
    known.begun += 1
    states[known.begun] = states[known.begun - 1]
    this.mark()
    return known.begun
  }

  #acknowledge(number: number): void {
    known.acknowledged = Math.max(known.acknowledged, number)
    this.mark()
  }

  open(): void {
    const number = this.#begin()
    this.store = objects.open(this.#path, { ...options, root: newRoot }) as objects.Store<any>
    states[number] = form(this.store)
    // Only when it is new, opening is a transaction.
    if (asked.durability === 'commit' || number > 1) this.#acknowledge(number)
  }

  /** What a transaction does. */
  #work(depth: number): void {
    for (let left = random(depth === 0 ? 6 : 3); left >= 0; left -= 1) change(this.store.root)
    if (depth < 3 && random(3) === 0) this.#nest(depth + 1)
    if (random(5) === 0) throw new Abort()
  }

  #nest(depth: number): void {
    counts.nested += 1
    try {
      this.store.transaction(() => this.#work(depth))
    } catch (error) {
      if (!(error instanceof Abort)) throw error
      counts.nestedAborts += 1
    }
  }

  /** What a transaction does, and its number. */
  #numbered(): number {
    const number = this.#begin()
    const before = states[number]
    try {
      this.#work(0)
      states[number] = form(this.store)
    } catch (error) {
      states[number] = before
      throw error
    }
    return number
  }

  async transact(): Promise<void> {
    counts.transactions += 1
    try {
      if (asked.durability === 'commit') return this.#acknowledge(this.store.transaction(() => this.#numbered()))
      const durable = this.store.transactionAsync(() => this.#numbered())
      if (asked.hasty) this.#acknowledge(known.begun)
      this.#acknowledge(await durable)
    } catch (error) {
      if (!(error instanceof Abort)) throw error
      counts.aborts += 1
    }
  }

  /** One change that is its own transaction. */
  alone(key = 'alone', what = value()): void {
    counts.alone += 1
    const number = this.#begin()
    this.store.root.map.set(key, what)
    states[number] = form(this.store)
    if (asked.durability === 'commit') this.#acknowledge(number)
  }

  /** More than the file has room for. */
  grow(): void {
    this.alone('bulk', 'x'.repeat(300_000))
    this.look()
    this.alone('bulk', 0)
  }

  /** Sees what the last change did to the file. */
  look(): void {
    const { size, log } = this.store.stats()
    if (log < this.#stats.log) counts.checkpoints += 1
    if (size > this.#stats.size) counts.growths += 1
    this.#stats = { size, log }
  }

  snapshot(): objects.Snapshot {
    counts.snapshots += 1
    return this.store.snapshot()
  }

  async collect(): Promise<void> {
    counts.collections += 1
    globalThis.gc!()
    await this.store.gc()
  }

  reopen(): void {
    counts.openings += 1
    this.store.close()
    this.#acknowledge(known.begun)
    this.open()
  }

  async backUp(): Promise<void> {
    const number = backups.length
    backups.push(states[known.begun])
    await this.store.backup(`${this.#path}-backup-${number}`)
    counts.backups += 1
    known.backups += 1
    this.mark()
  }
}

/** What is done beside the changes, in turns. */
const besides: ((program: Program, last: Last) => unknown)[] = [
  (program) => program.collect(),
  (program, last) => (last.snapshot = program.snapshot()),
  (program) => program.backUp(),
  (program) => program.grow(),
  (program, last) => {
    last.snapshot?.close()
    program.reopen()
  },
]

interface Last {
  snapshot?: objects.Snapshot
}

async function run(program: Program): Promise<void> {
  program.open()
  const last: Last = {}
  let waiting: Promise<void>[] = []
  const settle = async () => {
    await Promise.all(waiting)
    waiting = []
  }
  for (let number = 1; number <= asked.transactions; number += 1) {
    if (random(6) > 0) waiting.push(program.transact())
    else program.alone()
    program.look()
    if (random(4) === 0) await settle()
    if (number % 6 > 0) continue
    await settle()
    await besides[(number / 6) % besides.length]!(program, last)
  }
  await settle()
  last.snapshot?.close()
  program.store.close()
}

/** Opens what a cut left, and cuts that: what was seen is there for good, and work goes on from there. */
function recover({ folder, known: { states: allowed, backups } }: Image<Known>, target: string): Image<Known>[] {
  counts.recoveries += 1
  const recording = new Recording<Known>(folder, asked.seed, asked.inner, { states: allowed, backups })
  const store = objects.open<any>(join(folder, 'store'), options)
  const seen = form(store)
  const found = allowed.filter((number) => isDeepStrictEqual(states[number], seen))
  recording.mark({ states: found, backups })
  const next = states.push(seen) - 1
  recording.mark({ states: [...found, next], backups })
  store.transaction(() => {
    if (store.root === null) store.root = []
    else store.root.list.push('goes on')
    states[next] = form(store)
  })
  if (asked.durability === 'commit') recording.mark({ states: [next], backups })
  store.close()
  recording.mark({ states: [next], backups })
  return recording.end(target).images
}

async function main(): Promise<void> {
  const folder = join(asked.folder, 'written')
  const recording = new Recording<Known>(folder, asked.seed, asked.images, { states: [0], backups: 0 })
  const program = new Program(join(folder, 'store'), recording)
  await run(program)
  const { points, images } = recording.end(join(asked.folder, 'image'))
  const recovered: Image<Known>[] = []
  for (let left = asked.openings; left > 0; left -= 1) {
    const image = images.splice(random(images.length), 1)[0]!
    recovered.push(...recover(image, `${image.folder}-opened`))
  }
  tell({ points, images: [...images, ...recovered], states, backups, counts } satisfies Told)
}

void main()
