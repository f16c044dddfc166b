/**
 * Random steps on a store and on plain twins of its containers: changes of all kinds, transactions that nest and are taken back, openings,
 * snapshots, collections, and changes by another thread. The long run:
 *
 *     PMEM_TEST_STEPS=100000 npx ava build/__test__/objects-model.spec.js
 *
 * PMEM_TEST_SEED does what a run did again.
 */

import { isDeepStrictEqual } from 'node:util'
import { join } from 'node:path'
import test from 'ava'
import { objects } from 'pmem'
import { chance } from './helpers/chance.js'
import { folder } from './helpers/files.js'
import { difference, formOf } from './helpers/forms.js'
import { type AnyStore, Other, turn } from './helpers/objects-threads.js'

const STEPS = Number(process.env['PMEM_TEST_STEPS'] ?? 4000)
const SEED = Number(process.env['PMEM_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

class Item extends objects.Persistent {
  [name: string]: unknown
}

const KINDS = ['map', 'set', 'list', 'record', 'sorted', 'item'] as const
type Kind = (typeof KINDS)[number]

/** A value: as it is, or what is at a name in the root. */
type Value = { readonly plain: unknown } | { readonly at: string }

/** A change of what is at a name, which plain containers understand as live ones do. */
interface Step {
  readonly name: string
  readonly what: string
  readonly key?: any
  readonly values?: readonly Value[]
  readonly numbers?: readonly number[]
}

/** Makes a change. It is sent to another thread as text, so it uses nothing from outside. */
function change(root: Map<string, any>, { name, what, key, values = [], numbers = [] }: Step): unknown {
  const target = root.get(name)
  const [first, ...rest] = values.map((value) => ('at' in value ? root.get(value.at) : value.plain))
  const [start = 0, count = 0] = numbers
  const rank = (value: unknown) => (typeof value === 'number' && value === value ? value : typeof value === 'string' ? value.length : -1)
  switch (what) {
    case 'map.set':
      return target.set(typeof key === 'object' ? root.get(key.at) : key, first)
    case 'map.delete':
    case 'set.delete':
      return target.delete(typeof key === 'object' ? root.get(key.at) : key)
    case 'map.clear':
    case 'set.clear':
    case 'sorted.clear':
      return target.clear()
    case 'set.add':
      return target.add(typeof key === 'object' ? root.get(key.at) : key)
    case 'list.push':
      return target.push(first, ...rest)
    case 'list.pop':
      return void target.pop()
    case 'list.shift':
      return void target.shift()
    case 'list.unshift':
      return target.unshift(first, ...rest)
    case 'list.splice':
      return void target.splice(start % (target.length + 1), count, first, ...rest)
    case 'list.set':
      target[start % (target.length + 1)] = first
      return undefined
    case 'list.sort':
      return target.sort((one: unknown, other: unknown) => rank(one) - rank(other))
    case 'list.reverse':
      // oxlint-disable-next-line no-array-reverse -- it is what is tested
      return target.reverse()
    case 'list.length':
      target.length = Math.max(0, target.length - count)
      return undefined
    case 'list.copyWithin':
      return target.copyWithin(start % (target.length + 1), count % (target.length + 1))
    case 'record.set':
      target[key] = first
      return undefined
    case 'record.many':
      for (let index = start; index < start + 100; index += 1) target[`field ${index}`] = index
      return undefined
    case 'record.delete':
      return delete target[key]
    case 'sorted.set':
      return target.set(key, first)
    case 'sorted.delete':
      return target.delete(key)
    case 'root.delete':
      return root.delete(name)
    default:
      throw new Error(what)
  }
}

/** The same for the twins, whose sorted maps are plain ones that are put in order. */
function changePlain(root: Map<string, any>, step: Step): void {
  const sorted = step.what === 'sorted.set' ? (root.get(step.name) as Map<any, any>) : undefined
  change(root, structuredClone(step))
  if (step.what === 'list.copyWithin') {
    // A store has dates and bytes twice then.
    const list = root.get(step.name) as unknown[]
    for (const [index, item] of list.entries()) if (item instanceof Date || ArrayBuffer.isView(item)) list[index] = structuredClone(item)
  }
  if (!sorted) return
  const entries = [...sorted].toSorted(([one], [other]) => (typeof one === typeof other ? (one < other ? -1 : 1) : typeof one === 'number' ? -1 : 1))
  sorted.clear()
  for (const [key, value] of entries) sorted.set(key, value)
}

class Abort extends Error {}

test(`${STEPS} random steps with seed ${SEED} leave a store as they leave its plain twins`, async (t) => {
  t.timeout(120_000 + STEPS * 50)
  const random = chance(SEED)
  const pick = <T>(from: readonly T[]) => from[random(from.length)]!
  const path = join(folder(t), 'store')
  const options = { root: () => new Map<string, any>(), classes: { Item } }
  let store: AnyStore = objects.open<any>(path, options)
  t.teardown(() => store.close())
  let other: Other | undefined = new Other(t, path, ['Item'])
  let twin = new Map<string, any>()
  const counts = { steps: 0, transactions: 0, nested: 0, aborts: 0, innerAborts: 0, large: 0, openings: 0, snapshots: 0, collections: 0, others: 0, aliases: 0, dictionaries: 0, compared: 0 }
  let snapshots: { live: objects.Snapshot<any>; form: unknown }[] = []

  const kindOf = (name: string) => name.split(' ')[0] as Kind
  const names = () => [...twin.keys()]

  const atom = (): unknown => {
    const kind = random(14)
    if (kind < 4) return random(1000) - 500
    if (kind < 7) return `text ${random(1000)}`
    if (kind === 7) return pick([undefined, null, true, false, NaN, -0, Infinity, 2 ** 40 + 0.5, '', 'a\0b', '\ud800', 'ü', '漢字'])
    if (kind === 8) return BigInt(random(1000)) ** BigInt(random(20))
    if (kind === 9) return new Date(random(10 ** 9))
    if (kind === 10) return Uint8Array.from({ length: random(50) }, () => random(256))
    if (kind === 11) return 'x'.repeat(random(1500))
    if (kind === 12) return `${random(10)}`.repeat(random(8) === 0 ? 20_000 : 300)
    return random(2 ** 31)
  }
  const plain = (depth: number): unknown => {
    const kind = depth > 2 ? 9 : random(10)
    const parts = () => Array.from({ length: random(5) }, () => plain(depth + 1))
    if (kind === 0) return new Map(parts().map((part, index) => [`${index}`, part]))
    if (kind === 1) return new Set(Array.from({ length: random(5) }, () => random(100)))
    if (kind === 2) return parts()
    if (kind === 3) return Object.fromEntries(parts().map((part, index) => [`part ${index}`, part]))
    return atom()
  }
  const value = (): Value => {
    if (random(12) > 0 || twin.size === 0) return { plain: plain(0) }
    counts.aliases += 1
    return { at: pick(names()) }
  }
  const key = (): unknown => {
    if (random(30) === 0 && twin.size > 0) return { at: pick(names()) }
    return random(3) === 0 ? random(200) : `key ${random(100)}`
  }
  const fieldName = () => (random(6) === 0 ? `${random(20)}` : `field ${random(random(4) === 0 ? 400 : 12)}`)
  const sortedKey = () => (random(2) === 0 ? random(300) - 150 : random(20) === 0 ? `${random(10)}`.repeat(random(3000)) : `key ${random(200)}`)

  const stepOf = (): Step => {
    const name = pick(names())
    const values = () => Array.from({ length: 1 + random(4) }, () => value())
    const numbers = [random(1000), random(random(10) === 0 ? 100 : 4)]
    switch (kindOf(name)) {
      case 'map':
        return { name, what: random(80) === 0 ? 'map.clear' : random(3) === 0 ? 'map.delete' : 'map.set', key: key(), values: [value()] }
      case 'set':
        return { name, what: random(80) === 0 ? 'set.clear' : random(3) === 0 ? 'set.delete' : 'set.add', key: key() }
      case 'list': {
        const what = pick(['push', 'push', 'push', 'unshift', 'unshift', 'pop', 'shift', 'splice', 'splice', 'set', 'set', 'set', random(4) > 0 ? 'push' : pick(['sort', 'reverse', 'length', 'copyWithin'])])
        return { name, what: `list.${what}`, values: values(), numbers }
      }
      case 'record':
      case 'item':
        if (random(60) === 0) {
          counts.dictionaries += 1
          return { name, what: 'record.many', numbers }
        }
        return { name, what: random(3) === 0 ? 'record.delete' : 'record.set', key: fieldName(), values: [value()] }
      default:
        return { name, what: random(80) === 0 ? 'sorted.clear' : random(3) === 0 ? 'sorted.delete' : 'sorted.set', key: sortedKey(), values: [value()] }
    }
  }

  const create = (): void => {
    const name = `${pick(KINDS)} ${random(4)}`
    const kind = kindOf(name)
    counts.steps += 1
    const items = kind === 'item' ? new Item() : undefined
    const live = { map: () => new Map(), set: () => new Set(), list: () => [], record: () => ({}), sorted: () => store.sortedMap(), item: () => items }[kind]()
    store.root.set(name, live)
    twin.set(name, { map: () => new Map(), set: () => new Set(), list: () => [], record: () => ({}), sorted: () => new Map(), item: () => ({}) }[kind]())
    if (items) t.is(store.root.get(name), items)
  }

  const act = (): void => {
    if (twin.size === 0 || random(25) === 0) return create()
    counts.steps += 1
    const step: Step = random(60) === 0 ? { name: pick(names()), what: 'root.delete' } : stepOf()
    if (step.values?.some((value) => 'plain' in value && typeof value.plain === 'string' && value.plain.length > 4000)) counts.large += 1
    // Live containers copy what they are given: the twins get a copy of their own.
    change(store.root, step)
    changePlain(twin, step)
  }

  const transact = (depth: number): void => {
    const before = structuredClone(twin)
    try {
      store.transaction(() => {
        for (let count = random(depth === 0 && random(20) === 0 ? 300 : 8); count >= 0; count -= 1) {
          act()
          if (depth < 3 && random(8) === 0) {
            counts.nested += 1
            transact(depth + 1)
          }
        }
        if (random(3) === 0) throw new Abort()
      })
      counts.transactions += 1
    } catch (error) {
      if (!(error instanceof Abort)) throw error
      twin = before
      counts.aborts += depth === 0 ? 1 : 0
      counts.innerAborts += depth > 0 ? 1 : 0
    }
  }

  const compare = (what: string, root: unknown, form: unknown = formOf(twin)): void => {
    counts.compared += 1
    const found = formOf(objects.toPlain(root))
    if (!isDeepStrictEqual(found, form)) t.fail(`${what}, after ${counts.steps} steps: ${difference(found, form)}`)
  }

  const named = (key: unknown) => (typeof key === 'object' ? typeof key : String(key))

  /** What is read without a copy. */
  const look = (): void => {
    const name = pick(names())
    const [live, plain] = [store.root.get(name), twin.get(name)]
    const what = `${name} after ${counts.steps} steps`
    switch (kindOf(name)) {
      case 'list': {
        t.is(live.length, plain.length, what)
        const index = random(plain.length + 1)
        t.is(typeof live[index], typeof plain[index], what)
        const wanted = plain.find((item: unknown) => typeof item === 'string')
        t.is(live.indexOf(wanted), plain.indexOf(wanted), what)
        return
      }
      case 'record':
      case 'item':
        t.deepEqual(Object.keys(live), Object.keys(plain), what)
        return
      default:
        t.is(live.size, plain.size, what)
        t.deepEqual([...live.keys()].map(named), [...plain.keys()].map(named), what)
        for (const key of [...plain.keys()].filter((key: unknown) => typeof key !== 'object').slice(0, 5)) t.true(live.has(key), what)
    }
  }

  const reopen = async (): Promise<void> => {
    for (const { live, form } of snapshots) {
      compare('a snapshot', live.root, form)
      live.close()
    }
    snapshots = []
    await other?.kill()
    store.close()
    const report = objects.check(path)
    t.true(report.sound, report.damage?.join('\n'))
    store = objects.open<any>(path, options)
    compare('opened again', store.root)
    other = new Other(t, path, ['Item'])
    counts.openings += 1
  }

  let told = 0
  while (counts.steps < STEPS) {
    const kind = random(1000)
    if (kind < 600) act()
    else if (kind < 850) transact(0)
    else if (kind < 900 && twin.size > 0) look()
    else if (kind < 930 && twin.size > 0) {
      const step = stepOf()
      // oxlint-disable-next-line no-eval -- the source is the function above
      const work = (store: AnyStore, change: string, step: unknown) => void (0, eval)(`(${change})`)(store.root, step)
      await other.run(work, change.toString(), structuredClone(step))
      changePlain(twin, step)
      counts.others += 1
      counts.steps += 1
      await turn()
    } else if (kind < 945 && snapshots.length < 4) {
      snapshots.push({ live: store.snapshot(), form: structuredClone(formOf(twin)) })
      counts.snapshots += 1
    } else if (kind < 955 && snapshots.length > 0) {
      const [{ live, form }] = snapshots.splice(random(snapshots.length), 1) as [(typeof snapshots)[0]]
      compare('a snapshot', live.root, form)
      live.close()
    } else if (kind < 962) {
      await store.gc()
      counts.collections += 1
    } else if (kind < 966) await reopen()
    else if (kind < 985) compare('the root', store.root)
    else await turn()
    if (counts.steps <= told + 10_000) continue
    told = counts.steps
    t.log(JSON.stringify({ ...counts, size: twin.size, used: store.stats().used }))
  }
  await reopen()
  t.log(JSON.stringify(counts))
  const few = Object.entries(counts).filter(([, count]) => count < Math.max(1, STEPS / 4000))
  t.deepEqual(few, [])
})
