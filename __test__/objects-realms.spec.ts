/** Stores in another realm, as test runners make them, and values that come from one. */

import { join } from 'node:path'
import { createContext, runInContext } from 'node:vm'
import test from 'ava'
import { objects } from 'pmem'
import { throws } from './helpers/errors.js'
import { folder } from './helpers/files.js'
import { open, reopened } from './helpers/objects-threads.js'
import { newRealm } from './helpers/realms.js'

const realm = newRealm()
const inside = realm.package.objects
const context = createContext({})
const other = (script: string) => runInContext(`(${script})`, context) as any

test('values of another realm are stored as those of this one', (t) => {
  const store = open(t, () => new Map<string, any>())
  const value = other(`{
    map: new Map([['a', 1]]), set: new Set([1]), list: [1, [2]], record: { a: { b: 1 } }, date: new Date(5), bytes: Uint8Array.of(1, 2), bare: Object.create(null),
  }`)
  store.root.set('value', value)
  store.close()
  const read = reopened(t, store).root.get('value')
  t.true(read.map instanceof Map && read.set instanceof Set && Array.isArray(read.list) && read.date instanceof Date && read.bytes instanceof Uint8Array)
  const { bare, ...plain } = objects.toPlain(read)
  t.deepEqual(plain, { map: new Map([['a', 1]]), set: new Set([1]), list: [1, [2]], record: { a: { b: 1 } }, date: new Date(5), bytes: Uint8Array.of(1, 2) })
  t.deepEqual(Object.keys(bare), [])
})

test('what cannot be stored of this realm cannot be stored of another one', (t) => {
  const store = open(t, () => new Map<string, any>())
  for (const script of ['() => 1', 'Symbol()', 'Promise.resolve()', '/x/', 'new Error()', 'new WeakMap()', 'new Proxy({}, {})', 'new (class A {})()', 'Object(1)']) {
    throws(t, { code: 'ERR_PMEM_UNCLONEABLE', says: "root.get('bad')" }, () => store.root.set('bad', other(script)), script)
  }
  t.is(store.root.size, 0)
})

test('promises and async functions of another realm are refused by transactions', (t) => {
  const store = open(t, () => new Map<string, any>())
  throws(t, 'ERR_PMEM_ASYNC', () => store.transaction(other('async () => 1')))
  throws(t, 'ERR_PMEM_ASYNC', () => store.transaction(() => {
    store.root.set('a', 1)
    return other('Promise.resolve(1)')
  }))
  t.is(store.root.size, 0)
})

test('in a realm a store has what it has here, and its errors are of the realm', (t) => {
  const path = join(folder(t), 'store')
  const work = realm.run(`(objects, path) => {
    class User extends objects.Persistent { name = 'ada'; visits = 0 }
    const store = objects.open(path, { classes: { User }, root: () => ({ users: new Map(), list: [1, 2], at: new Date(5), bytes: Uint8Array.of(1, 2) }) })
    const ada = new User()
    store.root.users.set('ada', ada)
    store.transaction(() => { ada.visits += 1; store.root.list.push(3) })
    const found = [
      store.root.users.get('ada') === ada, ada instanceof User, store.root.users instanceof Map, Array.isArray(store.root.list), store.root.list instanceof Array,
      Object.getPrototypeOf(store.root) === Object.prototype, store.root.at instanceof Date, store.root.list.map((item) => item * 2) instanceof Array,
    ]
    const codes = []
    for (const act of [() => store.root.list.push(() => 1), () => (store.root.list.length = 9), () => store.transaction(async () => 1), () => { store.close(); return store.root }]) {
      try { act() } catch (error) { codes.push([error.code ?? error.name, error instanceof Error]) }
    }
    return JSON.stringify({ found, codes })
  }`) as (module: typeof inside, path: string) => string
  const { found, codes } = JSON.parse(work(inside, path)) as { found: boolean[]; codes: [string, boolean][] }
  t.deepEqual(found, found.map(() => true))
  t.deepEqual(codes, [['ERR_PMEM_UNCLONEABLE', true], ['RangeError', true], ['ERR_PMEM_ASYNC', true], ['ERR_PMEM_CLOSED', true]])
  class User extends objects.Persistent {}
  const { root } = open(t, undefined, { classes: { User } }, path)
  t.deepEqual([root.users.get('ada').visits, [...root.list], root.at, root.bytes], [1, [1, 2, 3], new Date(5), Uint8Array.of(1, 2)])
})

test('two realms share a store, whose objects are of the realm that reads them', (t) => {
  const store = open(t, () => new Map<string, any>([['a', { b: 1 }]]))
  const second: any = inside.open(store.path)
  t.teardown(() => second.close())
  store.root.get('a').b = 2
  second.refresh()
  t.is(second.root.get('a').b, 2)
  t.false(objects.isPersistent(second.root))
  t.true(inside.isPersistent(second.root))
  throws(t, { code: 'ERR_PMEM_UNCLONEABLE' }, () => store.root.set('other', second.root))
  second.close()
})
