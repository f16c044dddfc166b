/** Persistent collections where JavaScript has borders: copying, showing, comparing, listing, wrapping. */

import assert from 'node:assert'
import { Console } from 'node:console'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { inspect, isDeepStrictEqual, types } from 'node:util'
import { deserialize, serialize } from 'node:v8'
import { MessageChannel } from 'node:worker_threads'
import type { ExecutionContext } from 'ava'
import { folder } from './helpers/files.js'
import { formOf } from './helpers/forms.js'
import { objects, persistent, type Store } from './helpers/objects.js'

/** A live object of each kind, and what it is as a plain one. */
const kinds: [name: string, make: (store: Store) => any, plain: () => any][] = [
  ['map', (store) => store.map([['a', 1]]), () => new Map([['a', 1]])],
  ['sortedMap', (store) => store.sortedMap([['a', 1]]), () => new Map([['a', 1]])],
  ['set', (store) => store.set(['a']), () => new Set(['a'])],
  ['array', (store) => store.array([1, 'x']), () => [1, 'x']],
  ['object', (store) => store.object({ a: 1, b: 'x' }), () => ({ a: 1, b: 'x' })],
  ['empty map', (store) => store.map(), () => new Map()],
  ['empty set', (store) => store.set(), () => new Set()],
  ['empty array', (store) => store.array(), () => []],
  ['empty object', (store) => store.object({}), () => ({})],
]

/** A case for a live object of each kind. */
function eachKind(
  title: string,
  body: (t: ExecutionContext, live: any, plain: any, name: string, store: Store) => void | Promise<void>,
): void {
  for (const [name, make, plain] of kinds) {
    persistent(`${name}: ${title}`, (t, store) => body(t, make(store), plain(), name, store))
  }
}

const isMapOrSet = (plain: unknown) => plain instanceof Map || plain instanceof Set

// Copying by structured clone

eachKind('structured cloning throws, wherever it is in what is cloned', (t, live) => {
  const around = [live, [live], { deep: { live } }, new Map([['key', live]]), new Map([[live, 1]]), new Set([live])]
  const error = t.throws(() => structuredClone(live), { any: true }) as Error
  t.is(error.name, 'DataCloneError')
  for (const value of around) {
    t.throws(() => structuredClone(value), { any: true, name: 'DataCloneError' })
    t.throws(() => serialize(value))
  }
})

eachKind('posting it to a port throws, and nothing is posted', async (t, live) => {
  const { port1, port2 } = new MessageChannel()
  t.teardown(() => port1.close())
  const received: unknown[] = []
  port2.on('message', (message) => received.push(message))
  t.throws(() => port1.postMessage(live), { any: true, name: 'DataCloneError' })
  t.throws(() => port1.postMessage({ live }), { any: true, name: 'DataCloneError' })
  port1.postMessage('end')
  while (received.length === 0) await turn()
  t.deepEqual(received, ['end'])
})

eachKind('its plain copy is cloned, posted and serialised', (t, live, plain) => {
  const copy = objects.toPlain(live)
  t.deepEqual(formOf(structuredClone(copy)), formOf(plain))
  t.deepEqual(formOf(deserialize(serialize(copy))), formOf(plain))
})

persistent('an instance is not cloned either', (t) => {
  const { store, ada } = withUser(t)
  t.throws(() => structuredClone(ada), { any: true, name: 'DataCloneError' })
  t.throws(() => structuredClone({ ada }), { any: true, name: 'DataCloneError' })
  t.throws(() => structuredClone(store.root), { any: true, name: 'DataCloneError' })
})

/** A store with a class, and an instance in it. */
function withUser(t: ExecutionContext): { store: Store; ada: any; User: new () => any } {
  class User extends objects.Persistent {
    name = 'ada'
  }
  const store = objects.open(join(folder(t), 'store'), { classes: { User }, root: () => new Map() })
  t.teardown(() => store.close())
  const ada = new User()
  store.root.set('ada', ada)
  return { store, ada, User }
}

// Showing

const flat = (value: unknown) => inspect(value, { breakLength: Infinity })

eachKind('inspect shows it as a plain one that is live', (t, live, plain, name) => {
  const text = flat(live)
  t.is(text.replace('SortedMap', 'Map'), `live ${flat(plain)}`)
  t.is(flat({ live }), `{ live: ${text} }`)
  t.is(inspect([live], { breakLength: Infinity, depth: 0 }).startsWith('[ ['), true, name)
})

const shown: [make: (store: Store) => unknown, form: string][] = [
  [(store) => store.map<unknown, unknown>([['a', 1], [2, undefined]]), "live Map(2) { 'a' => 1, 2 => undefined }"],
  [(store) => store.set<unknown>(['a', 1, NaN]), "live Set(3) { 'a', 1, NaN }"],
  [(store) => store.array<unknown>([1, 'x', null, -0]), "live [ 1, 'x', null, -0 ]"],
  [(store) => store.object({ a: 1n, 'b c': 'x' }), "live { a: 1n, 'b c': 'x' }"],
  [(store) => store.object({ list: [new Set([1])] }), 'live { list: live [ live Set(1) { 1 } ] }'],
]

for (const [make, form] of shown) {
  persistent(`inspect shows ${form}`, (t, store) => {
    t.is(flat(make(store)), form)
  })
}

persistent('inspect shows dates and bytes in it', (t, store) => {
  const text = flat(store.array([new Date(0), Uint8Array.of(1, 2)]))
  t.true(text.includes('1970-01-01T00:00:00.000Z') && text.includes('Uint8Array(2) [ 1, 2 ]'), text)
})

persistent('inspect shows what is nested, as deep as it is told', (t, store) => {
  store.root.set('a', { b: { c: { d: { e: 'the end' } } } })
  t.false(inspect(store.root).includes('the end'))
  t.true(inspect(store.root, { depth: 10 }).includes('the end'))
  t.true(inspect(store.root, { depth: null }).includes('the end'))
  t.false(inspect(store.root, { depth: 0 }).includes('c:'))
})

persistent('inspect shows a cycle as one', (t, store) => {
  const object = store.object<any>({ a: 1 })
  object.self = object
  const map = store.map<string, any>()
  map.set('self', map)
  for (const live of [object, map]) t.regex(inspect(live), /Circular/)
})

persistent('inspect shows a hundred items of a long array, and how many more', (t, store) => {
  const text = inspect(store.array(Array.from({ length: 1000 }, (_, index) => index)))
  t.regex(text, /900 more items/)
  t.regex(inspect(store.set(Array.from({ length: 1000 }, (_, index) => index))), /900 more items/)
  t.regex(inspect(store.map(Array.from({ length: 1000 }, (_, index) => [index, index]))), /900 more items/)
})

persistent('inspect takes its options', (t, store) => {
  const map = store.map([['a', 'x']])
  t.true(inspect(map, { colors: true }).includes("\u001b[32m'x'\u001b[39m"))
  t.true(inspect(store.object({ b: 1, a: 2 }), { sorted: true }).includes('a: 2, b: 1'))
  for (const options of [{ showHidden: true }, { showProxy: true }, { compact: false }, { getters: true }]) {
    t.notThrows(() => inspect(store.array([map]), options), JSON.stringify(options))
  }
})

persistent('console.log shows what inspect does', (t, store) => {
  let text = ''
  const stdout = new Writable({ write: (chunk, _, done) => ((text += String(chunk)), done()) })
  const live = store.map<string, any>([['a', [1]]])
  new Console({ stdout }).log(live, store.array(['x']))
  t.is(text, `${inspect(live)} ${inspect(store.array(['x']))}\n`)
  text = ''
  new Console({ stdout }).table(store.array([{ a: 1 }]))
  t.regex(text, /a/)
})

persistent('inspect shows an instance by the name of its class', (t) => {
  const { store, ada } = withUser(t)
  t.regex(flat(ada), /\bUser\b.* \{ name: 'ada' \}$/)
  t.true(flat(store.root).includes(flat(ada)))
})

persistent('inspect shows a snapshot as it was', (t, store) => {
  store.root.set('a', [1])
  const snapshot = store.snapshot()
  t.teardown(() => snapshot.close())
  const before = flat(snapshot.root)
  store.root.get('a').push(2)
  store.root.set('b', 2)
  t.is(flat(snapshot.root), before)
  t.regex(before, /'a' => /)
  t.true(flat(store.root).includes("'b' => 2"))
})

eachKind('inspect does not throw once its store is closed', (t, live, _plain, _name, store) => {
  store.close()
  t.regex(inspect(live), /closed/i)
  t.regex(inspect({ live }), /closed/i)
  t.true(objects.isPersistent(live))
})

persistent('inspecting changes nothing, and shows no symbols', (t, store) => {
  for (const [, make] of kinds) {
    const live = make(store)
    const before = formOf(objects.toPlain(live))
    inspect(live, { showHidden: true })
    t.deepEqual(formOf(objects.toPlain(live)), before)
    t.deepEqual(Object.getOwnPropertySymbols(live), [])
  }
})

// JSON, spread, destructuring, concat, Object's functions

eachKind('JSON and the functions of Object see what they see in a plain one', (t, live, plain) => {
  t.is(JSON.stringify(live), JSON.stringify(plain))
  t.is(JSON.stringify({ live: [live] }), JSON.stringify({ live: [plain] }))
  t.deepEqual(Object.keys(live), Object.keys(plain))
  t.deepEqual(Object.entries(live), Object.entries(plain))
  t.deepEqual(Object.getOwnPropertyNames(live), Object.getOwnPropertyNames(plain))
  t.deepEqual(Object.getOwnPropertyDescriptors(live), Object.getOwnPropertyDescriptors(plain))
  t.deepEqual({ ...live }, { ...plain })
  t.deepEqual(Object.assign({}, live), Object.assign({}, plain))
  const names: string[] = []
  for (const name in live) names.push(name)
  t.deepEqual(names, Object.keys(plain))
})

eachKind('spread, destructuring and concat do what they do with a plain one', (t, live, plain) => {
  if (typeof plain[Symbol.iterator] === 'function') {
    t.deepEqual([...live], [...plain])
    const [first = 'nothing', ...rest] = live
    const [plainFirst = 'nothing', ...plainRest] = plain
    t.deepEqual([first, rest], [plainFirst, plainRest])
    t.deepEqual(Array.from(live), Array.from(plain))
  } else t.throws(() => [...live], { instanceOf: TypeError })
  const { a, ...others } = live
  const { a: plainA, ...plainOthers } = plain
  t.deepEqual([a, others], [plainA, plainOthers])
  t.is(([0] as unknown[]).concat(live).length, ([0] as unknown[]).concat(plain).length)
})

eachKind('it is an object like others', async (t, live, plain) => {
  t.is(typeof live, 'object')
  t.is(Array.isArray(live), Array.isArray(plain))
  t.true(types.isProxy(live))
  t.true(Object.isExtensible(live))
  t.true(Boolean(live))
  t.true(live instanceof Object)
  t.is(live, live.valueOf())
  t.true(new Set([live]).has(live))
  t.is(new WeakMap([[live, 'found']]).get(live), 'found')
  t.is(new WeakRef(live).deref(), live)
  t.is(await live, live)
  t.is(await Promise.resolve(live), live)
  t.notThrows(() => `${live}`)
  t.true(Number.isNaN(Number(live)) || Array.isArray(live))
})

eachKind('it cannot be frozen, sealed, closed or given another prototype', (t, live, plain) => {
  for (const change of [Object.freeze, Object.seal, Object.preventExtensions]) {
    t.throws(() => change(live), { instanceOf: TypeError }, change.name)
  }
  t.throws(() => Object.setPrototypeOf(live, { other: true }), { instanceOf: TypeError })
  t.true(Object.isExtensible(live))
  t.deepEqual(formOf(objects.toPlain(live)), formOf(plain))
})

persistent('a name that a map or a set does not have is refused', (t, store) => {
  for (const live of [store.map(), store.set(), store.sortedMap()] as any[]) {
    t.throws(() => (live.name = 1), { instanceOf: TypeError })
    t.throws(() => (live.get = () => 1), { instanceOf: TypeError })
    t.throws(() => Object.defineProperty(live, 'name', { value: 1 }), { instanceOf: TypeError })
    t.false(Object.hasOwn(live, 'name'))
    t.is(live.name, undefined)
  }
})

// Comparing

eachKind('deepStrictEqual compares it, or its plain copy, with a plain one', (t, live, plain) => {
  const compared = isMapOrSet(plain) ? objects.toPlain(live) : live
  assert.deepStrictEqual(compared, plain)
  assert.deepStrictEqual(plain, compared)
  assert.deepStrictEqual([compared], [plain])
  t.true(isDeepStrictEqual(compared, plain))
  for (const [, , other] of kinds) {
    if (!isDeepStrictEqual(other(), plain)) t.false(isDeepStrictEqual(compared, other()))
  }
})

eachKind('ava compares it, or its plain copy, with a plain one', (t, live, plain) => {
  const compared = isMapOrSet(plain) ? objects.toPlain(live) : live
  t.deepEqual(compared, plain)
  t.deepEqual([compared], [plain])
  t.notDeepEqual(compared, 'x' as any)
})

// Wrapping

persistent('a proxy around a live object reads and writes it', (t, store) => {
  const object = new Proxy(store.object<any>({ a: 1, list: [1] }), {})
  object.a += 1
  object.b = 'new'
  delete object.list
  t.deepEqual(Object.entries(object), [['a', 2], ['b', 'new']])
  const array = new Proxy(store.array([3, 1, 2]), {})
  array[0] = 30
  array[3] = 4
  t.is(array.length, 4)
  t.deepEqual(array.slice(1), [1, 2, 4])
  t.is(array.indexOf(2), 2)
  t.true(Array.isArray(array))
  t.deepEqual([...array], [30, 1, 2, 4])
})

persistent('a proxy around a live object is not persistent, and is no live object', (t, store) => {
  const live = store.object({ a: 1 })
  const wrapped = new Proxy(live, {})
  t.false(objects.isPersistent(wrapped))
  t.true(objects.isPersistent(live))
})

persistent("Reflect's functions keep the invariants of proxies", (t, store) => {
  for (const [name, make] of kinds) {
    const live = make(store)
    for (const key of Reflect.ownKeys(live)) {
      const descriptor = Reflect.getOwnPropertyDescriptor(live, key)
      t.deepEqual(descriptor?.value, Reflect.get(live, key), `${name}: ${String(key)}`)
      t.true(Reflect.has(live, key), `${name}: ${String(key)}`)
    }
    t.true(Reflect.isExtensible(live), name)
    t.is(typeof Reflect.getPrototypeOf(live), 'object', name)
    t.false(Reflect.has(live, 'no such name'), name)
    t.is(Reflect.getOwnPropertyDescriptor(live, 'no such name'), undefined, name)
  }
})

persistent('an array keeps the invariants while it shrinks and grows', (t, store) => {
  const array = store.array([1, 2, 3])
  for (const length of [3, 1, 0]) {
    array.length = length
    t.deepEqual(Reflect.ownKeys(array).length, length + 1)
    t.is(Object.getOwnPropertyDescriptor(array, 'length')?.value, length)
  }
  array.push(1, 2, 3, 4)
  t.deepEqual(Reflect.ownKeys(array), ['0', '1', '2', '3', 'length'])
  t.is(Object.getOwnPropertyDescriptor(array, 'length')?.value, 4)
})

// Reading twice

eachKind('it is the same object at every read', async (t, live, _plain, _name, store) => {
  const [map, array, object, set] = [store.map(), store.array<unknown>(), store.object<Record<string, unknown>>({}), store.set()]
  map.set('key', live).set(live, 'value')
  array.push('x', live)
  object['field'] = live
  set.add(live)
  const reads: (() => unknown)[] = [
    () => map.get('key'),
    () => [...map.values()][0],
    () => [...map.keys()][1],
    () => [...map][0]![1],
    () => map.getOrInsert('key', 'other'),
    () => array[1],
    () => array.at(-1),
    () => [...array][1],
    () => array.find((item) => item !== 'x'),
    () => array.slice(1)[0],
    () => object['field'],
    () => Object.values(object)[0],
    () => ({ ...object })['field'],
    () => [...set][0],
    () => [...set.entries()][0]![1],
  ]
  const check = () => {
    for (const read of reads) t.is(read(), live, String(read))
    map.forEach((value, key) => t.true(value === live || key === live))
    t.is(map.get(live), 'value')
    t.is(array.indexOf(live), 1)
    t.true(set.has(live))
  }
  check()
  store.root.set('all', [map, array, object, set])
  check()
  store.transaction(check)
  await turn()
  check()
})

persistent('the root is the same object at every read', (t, store) => {
  const { root } = store
  t.is(store.root, root)
  root.set('a', 1)
  t.is(store.root, root)
  store.transaction(() => t.is(store.root, root))
})

persistent('what was let go is read anew, as it is', async (t, store) => {
  store.root.set('list', [{ a: 1 }])
  const held = (() => new WeakRef(store.root.get('list')[0]))()
  for (let round = 0; round < 50 && held.deref() !== undefined; round += 1) {
    await turn()
    global.gc!()
  }
  t.is(held.deref(), undefined)
  t.deepEqual(Object.entries(store.root.get('list')[0]), [['a', 1]])
  t.is(store.root.get('list')[0], store.root.get('list')[0])
})

persistent('reading a date or bytes gives a copy each time', (t, store) => {
  const map = store.map<string, any>([['date', new Date(5)], ['bytes', Uint8Array.of(1)], ['buffer', new ArrayBuffer(2)]])
  for (const key of map.keys()) {
    t.not(map.get(key), map.get(key), key)
    t.false(objects.isPersistent(map.get(key)), key)
  }
  map.get('date').setTime(0)
  map.get('bytes')[0] = 9
  t.deepEqual([map.get('date').getTime(), map.get('bytes')[0]], [5, 1])
  t.notThrows(() => structuredClone([...map.values()]))
})

// isPersistent and toPlain

eachKind('isPersistent knows it, and not its plain copy', (t, live, plain) => {
  t.true(objects.isPersistent(live))
  t.false(objects.isPersistent(plain))
  t.false(objects.isPersistent(objects.toPlain(live)))
})

persistent('isPersistent says no to everything else', (t, store) => {
  const others = [undefined, null, 0, 'x', 1n, true, Symbol('s'), () => 1, {}, [], new Map(), new Date(), new Proxy({}, {}), store, objects]
  for (const value of others) t.false(objects.isPersistent(value), inspect(value))
  t.false(objects.isPersistent(Object.create(store.object({ a: 1 }))))
  t.true(objects.isPersistent(store.root))
})

persistent('isPersistent knows instances', (t) => {
  const { store, ada } = withUser(t)
  t.true(objects.isPersistent(ada))
  t.true(objects.isPersistent(store.root.get('ada')))
})

eachKind('toPlain gives a plain one, and one of its own', (t, live, plain) => {
  const [first, second] = [objects.toPlain(live), objects.toPlain(live)]
  t.not(first, second)
  t.false(types.isProxy(first))
  t.deepEqual(formOf(first), formOf(plain))
  t.is(Object.getPrototypeOf(first), Object.getPrototypeOf(plain))
  t.is(types.isMap(first), types.isMap(plain))
  t.is(types.isSet(first), types.isSet(plain))
})

persistent('toPlain copies what is nested, and changing the copy changes nothing', (t, store) => {
  const graph = () => ({ map: new Map([['set', new Set([1])]]), list: [[1], { date: new Date(5), bytes: Uint8Array.of(1) }] })
  store.root.set('graph', graph())
  const plain = objects.toPlain(store.root)
  t.deepEqual(formOf(plain.get('graph')), formOf(graph()))
  for (const part of [plain, plain.get('graph'), plain.get('graph').map, plain.get('graph').list[0]]) t.false(types.isProxy(part))
  plain.get('graph').map.get('set').add(2)
  plain.get('graph').list.length = 0
  plain.set('more', 1)
  t.deepEqual(formOf(objects.toPlain(store.root.get('graph'))), formOf(graph()))
  t.is(store.root.size, 1)
  t.notThrows(() => structuredClone(plain))
})

persistent('toPlain keeps cycles and what is shared', (t, store) => {
  const [map, array, object] = [store.map<any, any>(), store.array<any>(), store.object<any>({})]
  map.set('map', map).set(array, object)
  array.push(array, map, object)
  object.self = object
  object.all = array
  const plain = objects.toPlain(map)
  const plainArray = [...plain.keys()][1]
  t.is(plain.get('map'), plain)
  t.is(plainArray[0], plainArray)
  t.is(plainArray[1], plain)
  t.is(plain.get(plainArray), plainArray[2])
  t.is(plainArray[2].self, plainArray[2])
  t.is(plainArray[2].all, plainArray)
  t.false([plain, ...plainArray].some((part) => types.isProxy(part)))
})

persistent('toPlain leaves primitives as they are', (t) => {
  for (const value of [undefined, null, -0, NaN, 'x', 1n, true]) t.is(objects.toPlain(value), value)
})

persistent('toPlain gives an own __proto__ as one', (t, store) => {
  store.root.set('object', JSON.parse('{"__proto__":{"a":1},"b":2}'))
  const plain = objects.toPlain(store.root.get('object'))
  t.deepEqual(Object.keys(plain), ['__proto__', 'b'])
  t.is(Object.getPrototypeOf(plain), Object.prototype)
})

// The end

eachKind('it says that its store is closed', (t, live, plain, name, store) => {
  store.close()
  const read = () => (isMapOrSet(plain) ? live.size : Object.keys(live))
  const change = () => (live.set ? live.set('b', 2) : live.add ? live.add('b') : live.push ? live.push(2) : (live.b = 2))
  t.throws(read, { code: 'ERR_PMEM_CLOSED' }, name)
  t.throws(change, { code: 'ERR_PMEM_CLOSED' }, name)
  t.throws(() => objects.toPlain(live), { code: 'ERR_PMEM_CLOSED' }, name)
})

persistent('what an aborted transaction made says that it is gone', (t, store) => {
  for (const [name, make] of kinds) {
    let live: any
    const abort = () =>
      store.transaction(() => {
        live = make(store)
        store.root.set('made', live)
        throw new RangeError('abort')
      })
    t.throws(abort, { instanceOf: RangeError }, name)
    t.false(store.root.has('made'), name)
    t.throws(() => objects.toPlain(live), { code: 'ERR_PMEM_DETACHED' }, name)
    t.throws(() => store.root.set('made', live), { code: 'ERR_PMEM_DETACHED' }, name)
    t.notThrows(() => inspect(live), name)
  }
})
