/** What persistent collections hold, wherever it stands in them: it comes back as it was, or is refused before anything changes. */

import { runInNewContext } from 'node:vm'
import type { ExecutionContext } from 'ava'
import { formOf } from './helpers/forms.js'
import { made, objects, persistent, type Store } from './helpers/objects.js'

const MiB = 1 << 20

/** Lengths up to some over a size. */
function around(size: number): number[] {
  return Array.from({ length: 12 }, (_, index) => size + 10 * index)
}

/** Values that are the same when they are read: `Object.is` tells. */
const primitives: [what: string, values: unknown[]][] = [
  ['undefined, null and booleans', [undefined, null, true, false]],
  ['small numbers', [0, 1, -1, 255, 256, 65535, 65536]],
  ['the edges of 32-bit integers', [2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, -(2 ** 31), -(2 ** 31) - 1]],
  ['large integers', [2 ** 53 - 1, 2 ** 53, -(2 ** 53), 2 ** 53 + 2, 1e21, 2 ** 1023]],
  ['fractions', [0.1, -0.1, 1.5, Math.PI, Number.EPSILON, 1e-7, 4294967295.5]],
  ['the edges of numbers', [Number.MAX_VALUE, -Number.MAX_VALUE, Number.MIN_VALUE, -Number.MIN_VALUE, 1e-310, Infinity, -Infinity]],
  ['NaN', [NaN, -NaN, 0 / 0]],
  ['bigints', [0n, 1n, -1n, 255n, 256n, -255n, -256n, 2n ** 53n, -(2n ** 53n)]],
  ['the edges of 64-bit integers', [2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n, -(2n ** 63n), -(2n ** 64n)]],
  ['long bigints', [2n ** 2000n, -(2n ** 2000n), 2n ** 2000n - 1n, 10n ** 1000n]],
  ['short strings', ['', 'a', ' ', 'undefined', '0', 'x'.repeat(23), 'x'.repeat(24), 'x'.repeat(25)]],
  ['strings with NULs', ['\0', '\0\0', 'a\0b', 'a\0', '\0a']],
  ['Latin-1 strings', ['é', 'ÿ', '\x80', '\x7f\x80\xff', 'é'.repeat(255), 'é'.repeat(256), 'é'.repeat(257)]],
  ['strings around 256 units', ['x'.repeat(255), 'x'.repeat(256), 'x'.repeat(257), '\u0100'.repeat(127), '\u0100'.repeat(128), '\u0100'.repeat(257)]],
  ['strings beyond Latin-1', ['\u0100', '語', 'a語', `${'x'.repeat(30)}語`, '\ufeff', '\uffff', '\ufffd']],
  ['strings around the sizes of nodes', [250, 500, 1000, 2000, 4000].flatMap((size) => around(size).map((length) => 'x'.repeat(length)))],
  ['wide strings around the sizes of nodes', [250, 500, 1000, 2000].flatMap((size) => around(size).map((length) => '語'.repeat(length)))],
  ['strings around 64 KiB', [65_535, 65_536, 65_537].flatMap((length) => ['x'.repeat(length), '語'.repeat(length / 2)])],
  ['emoji', ['\u{1f600}', '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}', '\u{1f600}'.repeat(100)]],
  ['lone surrogates', ['\ud800', '\udc00', '\udfff', 'a\ud800', '\udc00\ud800', `${'x'.repeat(40)}\udbff`]],
  ['a MiB of text', ['x'.repeat(MiB), `${'x'.repeat(MiB)}語`, 'é'.repeat(MiB)]],
]

/** Numbers as bytes that look like something else. */
const bits = (text: string) => new Float64Array(new BigUint64Array([BigInt(text)]).buffer)[0]!

/** Values of which each read gives a copy. */
const copied: [what: string, make: () => unknown][] = [
  ['a date', () => new Date('2024-02-29T12:34:56.789Z')],
  ['a date before 1970', () => new Date(-1)],
  ['the last date', () => new Date(8.64e15)],
  ['an invalid date', () => new Date(NaN)],
  ['an empty ArrayBuffer', () => new ArrayBuffer(0)],
  ['an ArrayBuffer', () => Uint8Array.from([0, 1, 255]).buffer],
  ['a long ArrayBuffer', () => Uint8Array.from({ length: 100_000 }, (_, index) => index).buffer],
  ['bytes as long as a node', () => Uint8Array.from({ length: 4096 }, (_, index) => index)],
  ['an Int8Array', () => Int8Array.of(-128, 0, 127)],
  ['a Uint8Array', () => Uint8Array.of(0, 127, 255)],
  ['an empty Uint8Array', () => new Uint8Array(0)],
  ['a Uint8ClampedArray', () => Uint8ClampedArray.of(0, 300, -1)],
  ['an Int16Array', () => Int16Array.of(-32768, 32767)],
  ['a Uint16Array', () => Uint16Array.of(0, 65535)],
  ['an Int32Array', () => Int32Array.of(-(2 ** 31), 2 ** 31 - 1)],
  ['a Uint32Array', () => Uint32Array.of(0, 2 ** 32 - 1)],
  ['a Float32Array', () => Float32Array.of(0.5, -0, NaN, Infinity)],
  ['a Float64Array', () => Float64Array.of(0.1, -0, NaN, 1e-310)],
  ['a BigInt64Array', () => BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n)],
  ['a BigUint64Array', () => BigUint64Array.of(0n, 2n ** 64n - 1n)],
  ['a DataView', () => new DataView(Uint8Array.of(1, 2, 3, 4).buffer)],
  ['a part of a buffer', () => new Uint8Array(Uint8Array.of(1, 2, 3, 4, 5).buffer, 1, 3)],
  ['a DataView of a part', () => new DataView(Uint8Array.of(1, 2, 3, 4, 5).buffer, 2, 2)],
  ['an unaligned part of what is aligned', () => new Uint16Array(Uint8Array.of(1, 2, 3, 4, 5, 6).buffer, 2, 2)],
]

if ('Float16Array' in globalThis) {
  const Float16Array = (globalThis as any).Float16Array as typeof Float32Array
  copied.push(['a Float16Array', () => Float16Array.of(0.5, -0, 65504)])
}

/** A place that a value stands in. */
interface Place {
  readonly name: string
  put(store: Store, value: unknown): void
  get(root: any): unknown
}

const places: Place[] = [
  { name: 'value of a map', put: (store, value) => store.root.set('map', store.map([['key', value]])), get: (root) => root.get('map').get('key') },
  { name: 'value that a map is set to', put: (store, value) => store.root.set('key', value), get: (root) => root.get('key') },
  { name: 'element', put: (store, value) => store.root.set('array', store.array(['before', value, 'after'])), get: (root) => root.get('array')[1] },
  { name: 'element that is pushed', put: (store, value) => pushed(store, value), get: (root) => root.get('pushed').at(-1) },
  { name: 'value of a sorted map', put: (store, value) => store.root.set('sorted', store.sortedMap([['a', 1], ['key', value], ['z', 2]])), get: (root) => root.get('sorted').get('key') },
  { name: 'field', put: (store, value) => store.root.set('object', store.object({ a: 1, value, z: 2 })), get: (root) => root.get('object').value },
  { name: 'field that is assigned', put: (store, value) => assigned(store, value), get: (root) => root.get('assigned').value },
  { name: 'part of a plain graph', put: (store, value) => store.root.set('graph', { list: [new Map([['in', value]])] }), get: (root) => root.get('graph').list[0].get('in') },
]

function pushed(store: Store, value: unknown): void {
  const array = store.array<unknown>()
  store.root.set('pushed', array)
  array.push('before', value)
}

function assigned(store: Store, value: unknown): void {
  const object = store.object<Record<string, unknown>>({})
  store.root.set('assigned', object)
  object['value'] = 'before'
  object['value'] = value
}

function areSame(t: ExecutionContext, actual: unknown, expected: unknown, where: string): void {
  // A difference between long texts is not shown whole.
  if (Object.is(actual, expected)) t.pass()
  else t.fail(`${where}: ${shortly(actual)} for ${shortly(expected)}`)
}

function shortly(value: unknown): string {
  const text = Object.is(value, -0) ? '-0' : String(value)
  return `${typeof value} ${text.length > 80 ? `${text.slice(0, 80)}... (${text.length})` : text}`
}

for (const [what, values] of [...primitives, ['-0', [-0]] as [string, unknown[]]]) {
  persistent(`${what} come back from wherever they stand`, (t, store, stored) => {
    for (const place of places) {
      for (const value of values) {
        place.put(store, value)
        areSame(t, place.get(store.root), value, place.name)
      }
    }
    // The last of each place, and all in one array.
    store.root.set('all', values)
    const root = stored.reopen()
    for (const place of places) areSame(t, place.get(root), values.at(-1), `${place.name}, opened again`)
    t.is(root.get('all').length, values.length)
    for (const [index, value] of values.entries()) areSame(t, root.get('all')[index], value, `${index}, opened again`)
  })

  persistent(`${what} are keys`, (t, store, stored) => {
    const normal = (value: unknown) => (value === 0 ? 0 : value)
    const plain = new Map(values.map((value, index) => [value, index]))
    const [map, set] = [store.map(), store.set()]
    for (const [index, value] of values.entries()) {
      map.set(value, index)
      set.add(value)
    }
    store.root.set('map', map)
    store.root.set('set', set)
    const check = (root: any) => {
      const [map, set] = [root.get('map'), root.get('set')]
      t.is(map.size, plain.size)
      t.is(set.size, plain.size)
      const [keys, elements] = [[...map.keys()], [...set]]
      for (const [index, value] of [...plain.keys()].entries()) {
        areSame(t, keys[index], normal(value), 'key')
        areSame(t, elements[index], normal(value), 'key')
        t.is(map.get(value), plain.get(value))
        t.true(set.has(value))
      }
    }
    stored.twice(check)
  })
}

for (const [what, make] of copied) {
  persistent(`${what} comes back from wherever it stands, as a copy`, (t, store, stored) => {
    const original = make() as any
    for (const place of places) {
      place.put(store, original)
      const [first, second] = [place.get(store.root) as any, place.get(store.root)]
      isCopy(t, first, original, place.name)
      t.not(first, second, place.name)
    }
    const root = stored.reopen()
    for (const place of places) isCopy(t, place.get(root), original, `${place.name}, opened again`)
  })
}

function isCopy(t: ExecutionContext, actual: any, original: any, where: string): void {
  t.not(actual, original, where)
  t.false(objects.isPersistent(actual), where)
  t.deepEqual(formOf(actual), formOf(original), where)
  t.is(Object.getPrototypeOf(actual), Object.getPrototypeOf(original), where)
  t.is(actual.byteLength, original.byteLength, where)
  // Only what it shows is stored, not the memory around it.
  if (ArrayBuffer.isView(actual)) t.is(actual.buffer.byteLength, actual.byteLength, where)
}

persistent('a Buffer comes back as the Uint8Array that it is', (t, store) => {
  store.root.set('bytes', Buffer.from('bytes'))
  const bytes = store.root.get('bytes')
  t.is(Object.getPrototypeOf(bytes), Uint8Array.prototype)
  t.is(Buffer.from(bytes).toString(), 'bytes')
})

persistent('changing a copy changes nothing that is stored, and the original neither', (t, store, stored) => {
  const [date, bytes] = [new Date(1000), Uint8Array.of(1, 2, 3)]
  store.root.set('date', date)
  store.root.set('bytes', bytes)
  date.setTime(0)
  bytes[0] = 100
  t.is(store.root.get('date').getTime(), 1000)
  t.is(store.root.get('bytes')[0], 1)
  store.root.get('date').setTime(5)
  store.root.get('bytes')[0] = 5
  t.is(store.root.get('date').getTime(), 1000)
  t.is(store.root.get('bytes')[0], 1)
  const root = stored.reopen()
  t.deepEqual([root.get('date').getTime(), root.get('bytes')[0]], [1000, 1])
})

persistent('what a NaN is made of makes no difference', (t, store) => {
  const odd = [bits('0x7ff8000000000001'), bits('0xfff8000000000000'), bits('0x7ff0000000000001')]
  const map = store.map<number, number>(odd.map((key, index) => [key, index]))
  t.is(map.size, 1)
  t.is(map.get(NaN), 2)
  t.deepEqual([...store.array(odd)], [NaN, NaN, NaN])
})

persistent('the root can be any value', (t, store, stored) => {
  const values: unknown[] = [undefined, null, true, -0, NaN, 2n ** 100n, '', '\ud800', new Date(5), Uint8Array.of(1, 2), { a: [1] }, [], new Map()]
  let now = store
  for (const value of values) {
    now.root = value
    t.deepEqual(formOf(objects.toPlain(now.root)), formOf(value))
    stored.reopen()
    now = stored.store
    t.deepEqual(formOf(objects.toPlain(now.root)), formOf(value), 'opened again')
  }
})

persistent('live containers stand wherever values do, and are the same there', (t, store, stored) => {
  for (const make of [() => store.map([['a', 1]]), () => store.set(['a']), () => store.array(['a']), () => store.object({ a: 1 })]) {
    const inner = make()
    for (const place of places) {
      place.put(store, inner)
      t.is(place.get(store.root), inner, place.name)
    }
    store.root.set('keys', store.map([[inner, 'found']]))
    t.is(store.root.get('keys').get(inner), 'found')
  }
  const root = stored.reopen()
  const [first] = places
  for (const place of places) {
    t.is(place.get(root), first!.get(root), place.name)
    t.deepEqual(formOf(objects.toPlain(place.get(root))), formOf({ a: 1 }))
  }
  t.is(root.get('keys').get(first!.get(root)), 'found')
})

persistent('keys that look alike are eight entries, also when opened again', (t, store, stored) => {
  const keys = [1, '1', 1n, true, null, undefined, NaN, '']
  store.root.set('map', new Map(keys.map((key, index) => [key, index])))
  store.root.set('set', new Set(keys))
  stored.twice((root) => {
    const map = root.get('map')
    t.is(map.size, 8)
    t.deepEqual([...map.keys()], keys)
    for (const [index, key] of keys.entries()) t.is(map.get(key), index)
    t.deepEqual([...root.get('set')], keys)
    for (const other of [0, '0', 0n, false, 'null', 'undefined', 'NaN', '\0', 2]) t.false(map.has(other))
  })
})

persistent('-0 finds 0, also when opened again', (t, store, stored) => {
  store.root.set('map', new Map([[-0, 'zero']]))
  stored.twice((root) => {
    const map = root.get('map')
    t.deepEqual([map.get(-0), map.get(0)], ['zero', 'zero'])
    t.true(Object.is([...map.keys()][0], 0))
    t.false(map.has('-0'))
    t.false(map.has('0'))
  })
})

// What is refused

const odd: [what: string, make: () => object][] = [
  ['a date', () => new Date()],
  ['bytes', () => Uint8Array.of(1)],
  ['an ArrayBuffer', () => new ArrayBuffer(1)],
  ['a DataView', () => new DataView(new ArrayBuffer(1))],
  ['a plain object', () => ({ a: 1 })],
  ['a plain array', () => [1]],
  ['a plain map', () => new Map()],
  ['a plain set', () => new Set()],
  ['a function', () => () => 1],
  ['an instance', () => new (class Odd { a = 1 })()],
]

for (const [what, make] of odd) {
  persistent(`${what} is no key`, (t, store) => {
    const [map, set, key] = [store.map<any, any>([['a', 1]]), store.set<any>(['a']), make()]
    const changes: (() => unknown)[] = [
      () => map.set(key, 1),
      () => map.getOrInsert(key, 1),
      () => map.getOrInsertComputed(key, () => 1),
      () => set.add(key),
      () => store.map([[key, 1]]),
      () => store.set([key]),
      () => store.root.set('map', new Map([[key, 1]])),
      () => store.root.set('set', new Set([key])),
    ]
    for (const change of changes) t.throws(change, { code: 'ERR_PMEM_UNCLONEABLE' }, String(change))
    t.deepEqual([map.has(key), map.get(key), map.delete(key), set.has(key), set.delete(key)], [false, undefined, false, false, false])
    t.deepEqual([[...map], [...set], store.root.size], [[['a', 1]], ['a'], 0])
  })
}

persistent('a symbol is no key', (t, store) => {
  const map = store.map<any, any>()
  for (const symbol of [Symbol('s'), Symbol.for('s'), Symbol.iterator]) {
    t.throws(() => map.set(symbol, 1), { code: 'ERR_PMEM_UNCLONEABLE' })
    t.throws(() => store.set([symbol]), { code: 'ERR_PMEM_UNCLONEABLE' })
    t.false(map.has(symbol))
  }
  t.is(map.size, 0)
})

class Unregistered {
  name = 'ada'
}

const unclonable: [what: string, make: () => unknown, says: RegExp][] = [
  ['a function', () => () => 1, /a function cannot be stored/],
  ['a class', () => Unregistered, /cannot be stored/],
  ['an async function', () => async () => 1, /a function cannot be stored/],
  ['a symbol', () => Symbol('s'), /a symbol cannot be stored/],
  ['a registered symbol', () => Symbol.for('s'), /a symbol cannot be stored/],
  ['a promise', () => Promise.resolve(1), /Promise.* cannot be stored/],
  ['a WeakMap', () => new WeakMap(), /WeakMap.* cannot be stored/],
  ['a WeakSet', () => new WeakSet(), /WeakSet.* cannot be stored/],
  ['a WeakRef', () => new WeakRef({}), /WeakRef.* cannot be stored/],
  ['a regular expression', () => /x/g, /RegExp.* cannot be stored/],
  ['an error', () => new TypeError('x'), /Error.* cannot be stored/],
  ['an instance of a class that is not registered', () => new Unregistered(), /Unregistered.* cannot be stored/],
  ['an instance of a class without a name', () => new (class { a = 1 })(), /cannot be stored/],
  ['an instance of a class that extends Map', () => new (class Extended extends Map {})(), /Extended.* cannot be stored/],
  ['an instance of a class that extends Array', () => new (class Extended extends Array {})(), /Extended.* cannot be stored/],
  ['a SharedArrayBuffer', () => new SharedArrayBuffer(8), /SharedArrayBuffer.* cannot be stored/],
  ['a boxed number', () => Object(1), /Number.* cannot be stored/],
  ['a boxed string', () => Object('x'), /String.* cannot be stored/],
  ['a boxed bigint', () => Object(1n), /BigInt.* cannot be stored/],
  ['a generator', () => (function* () {})(), /cannot be stored/],
  ['an iterator', () => [1].values(), /cannot be stored/],
  ['a proxy of a function', () => new Proxy(() => 1, {}), /cannot be stored/],
  ['a proxy of a map', () => new Proxy(new Map(), {}), /a Proxy cannot be stored/],
  ['a proxy of a date', () => new Proxy(new Date(), {}), /a Proxy cannot be stored/],
  ['a proxy of an object', () => new Proxy({ a: 1 }, {}), /a Proxy cannot be stored/],
  ['an accessor', () => Object.defineProperty({}, 'x', { get: () => 1, enumerable: true }), /cannot be stored/],
  ['a setter', () => Object.defineProperty({}, 'x', { set: () => {}, enumerable: true }), /cannot be stored/],
  ['a symbol as a name', () => ({ [Symbol('s')]: 1 }), /cannot be stored/],
  ['the global object', () => globalThis, /cannot be stored/],
]

for (const [what, make, says] of unclonable) {
  persistent(`${what} is refused wherever it stands, and nothing changes`, (t, store, stored) => {
    const [array, object] = [store.array(['a']), store.object<any>({ a: 1 })]
    store.root.set('array before', array)
    store.root.set('object before', object)
    const before = formOf(stored.plainRoot())
    const value = make()
    const changes: (() => unknown)[] = [
      () => store.root.set('new', value),
      () => store.root.set('object before', value),
      () => store.root.set('new', [{ deep: new Map([['key', value]]) }]),
      () => store.map([['a', 1], ['b', value]]),
      () => store.array(['a', value]),
      () => store.object({ a: 1, value }),
      () => array.push('x', value as any),
      () => (object.value = value),
      () => (store.root = value),
      () => (store.root = { value }),
    ]
    for (const change of changes) {
      t.throws(change, { code: 'ERR_PMEM_UNCLONEABLE', message: says }, String(change))
      t.deepEqual(formOf(stored.plainRoot()), before, String(change))
    }
    stored.reopen()
    t.deepEqual(formOf(stored.plainRoot()), before, 'opened again')
  })
}

persistent('an accessor is never called to be stored', (t, store) => {
  let calls = 0
  const value = {
    get x() {
      calls += 1
      return 1
    },
  }
  t.throws(() => store.root.set('a', value), { code: 'ERR_PMEM_UNCLONEABLE' })
  t.throws(() => store.root.set('a', Object.defineProperty([1], 0, { get: () => (calls += 1) })), { code: 'ERR_PMEM_UNCLONEABLE' })
  t.is(calls, 0)
})

persistent('a message names the path to what is refused', (t, store) => {
  store.root = { users: new Map([['ada', {}]]), list: [[0, 1]], tags: new Set(['x']) }
  const bad = () => 1
  const { root } = store
  const paths: [change: () => unknown, path: string][] = [
    [() => (root.users.get('ada').onClick = bad), "root.users.get('ada').onClick"],
    [() => (root.x = { deep: { er: bad } }), 'root.x.deep.er'],
    [() => (root.x = [1, [bad]]), 'root.x[1][0]'],
    [() => root.users.set('bob', { onClick: bad }), "root.users.get('bob').onClick"],
    [() => root.users.set(5, bad), 'root.users.get(5)'],
    [() => (root.list[0][1] = bad), 'root.list[0][1]'],
    [() => root.list.push({ bad }), 'root.list[1].bad'],
    [() => (root['not a name'] = bad), "root['not a name']"],
    [() => (store.root = { a: bad }), 'root.a'],
    [() => (store.root = bad), 'root'],
  ]
  for (const [change, path] of paths) {
    const error = t.throws(change, { code: 'ERR_PMEM_UNCLONEABLE' }, path)
    t.is(error?.message, `${path}: a function cannot be stored`)
  }
  t.deepEqual(formOf(objects.toPlain(store.root)), formOf({ users: new Map([['ada', {}]]), list: [[0, 1]], tags: new Set(['x']) }))
})

persistent('objects of another store are refused', (t, store) => {
  const other = made(t)
  for (const foreign of [other.map(), other.set(), other.array(), other.object({})]) {
    t.throws(() => store.root.set('a', foreign), { code: 'ERR_PMEM_UNCLONEABLE' })
    t.throws(() => store.root.set('a', { deep: [foreign] }), { code: 'ERR_PMEM_UNCLONEABLE' })
    t.throws(() => store.map([[foreign, 1]]))
    t.false(store.root.has(foreign))
  }
  t.is(store.root.size, 0)
})

persistent('objects of a snapshot are refused, and cannot be changed', (t, store) => {
  store.root.set('list', [1])
  const snapshot = store.snapshot()
  t.teardown(() => snapshot.close())
  const { root } = snapshot
  t.throws(() => store.root.set('again', root.get('list')), { code: 'ERR_PMEM_UNCLONEABLE' })
  t.throws(() => root.get('list').push(2))
  t.throws(() => root.set('x', 1))
  store.root.get('list').push(2)
  t.deepEqual([...root.get('list')], [1])
  t.deepEqual([...store.root.get('list')], [1, 2])
})

// Graphs that are copied in

persistent('what a plain graph shares stays shared', (t, store, stored) => {
  const shared = { name: 'shared' }
  store.root.set('graph', { a: shared, b: [shared, shared], c: new Map([['d', shared]]) })
  stored.twice((root) => {
    const graph = root.get('graph')
    t.is(graph.a, graph.b[0])
    t.is(graph.a, graph.b[1])
    t.is(graph.a, graph.c.get('d'))
    t.deepEqual(formOf(objects.toPlain(graph)), formOf({ a: shared, b: [shared, shared], c: new Map([['d', shared]]) }))
  })
  const { root } = stored.store
  root.get('graph').a.name = 'changed'
  t.is(root.get('graph').c.get('d').name, 'changed')
  t.is(shared.name, 'shared')
})

persistent('cycles in a plain graph are kept', (t, store, stored) => {
  const graph: any = { list: [], map: new Map() }
  graph.self = graph
  graph.list.push(graph.list, graph)
  graph.map.set('map', graph.map).set('graph', graph)
  store.root.set('graph', graph)
  stored.twice((root) => {
    const live = root.get('graph')
    t.is(live.self, live)
    t.is(live.list[0], live.list)
    t.is(live.list[1], live)
    t.is(live.map.get('map'), live.map)
    t.is(live.map.get('graph'), live)
    t.deepEqual(formOf(objects.toPlain(live)), formOf(graph))
  })
})

persistent('two copies of one graph share nothing', (t, store) => {
  const graph = { list: [1] }
  store.root.set('a', graph)
  store.root.set('b', graph)
  t.not(store.root.get('a'), store.root.get('b'))
  store.root.get('a').list.push(2)
  t.deepEqual([...store.root.get('b').list], [1])
})

persistent('a plain graph can hold live containers', (t, store) => {
  const live = store.array([1])
  store.root.set('graph', { live, list: [live, { deep: live }] })
  const graph = store.root.get('graph')
  t.is(graph.live, live)
  t.is(graph.list[0], live)
  t.is(graph.list[1].deep, live)
})

persistent('a deep graph is copied in and out', (t, store, stored) => {
  let graph: any = { depth: 0 }
  for (let depth = 1; depth <= 5000; depth += 1) graph = depth % 2 === 0 ? { depth, graph } : [graph]
  store.root.set('graph', graph)
  const depthOf = (value: any): number => {
    let depth = 0
    for (let inner = value; inner && typeof inner === 'object'; inner = Array.isArray(inner) ? inner[0] : inner.graph) depth += 1
    return depth
  }
  t.is(depthOf(store.root.get('graph')), 5001)
  t.is(depthOf(stored.plainRoot().get('graph')), 5001)
  t.is(depthOf(stored.reopen().get('graph')), 5001)
})

persistent('a plain object without a prototype is a plain object', (t, store) => {
  store.root.set('bare', Object.assign(Object.create(null), { a: 1 }))
  t.deepEqual(Object.entries(store.root.get('bare')), [['a', 1]])
  t.is(Object.getPrototypeOf(store.root.get('bare')), Object.prototype)
})

persistent('values of other realms are what they are', (t, store) => {
  const evaluate = (source: string) => runInNewContext(source) as unknown
  store.root.set('all', evaluate('({ list: [1, { a: 2 }], map: new Map([[1, new Set(["x"])]]), date: new Date(5), bytes: new Uint8Array([1, 2]) })'))
  const plain = objects.toPlain(store.root.get('all'))
  t.deepEqual(formOf(plain), formOf({ list: [1, { a: 2 }], map: new Map([[1, new Set(['x'])]]), date: new Date(5), bytes: Uint8Array.of(1, 2) }))
  for (const source of ['() => 1', '/x/', 'new Error("x")', 'new WeakMap()', 'Promise.resolve()']) {
    t.throws(() => store.root.set('bad', evaluate(`(${source})`)), { code: 'ERR_PMEM_UNCLONEABLE' }, source)
  }
})

persistent('fields that are not enumerable are left behind', (t, store) => {
  store.root.set('object', Object.defineProperty({ a: 1 }, 'hidden', { value: 2 }))
  t.deepEqual(Reflect.ownKeys(store.root.get('object')), ['a'])
})

persistent('a name that a plain array has besides its items is refused, not lost', (t, store) => {
  t.throws(() => store.root.set('a', Object.assign([1], { name: 'x' })), { code: 'ERR_PMEM_UNCLONEABLE' })
  t.throws(() => store.root.set('a', { match: /(?<x>a)/.exec('a') }), { code: 'ERR_PMEM_UNCLONEABLE' })
  t.is(store.root.size, 0)
})

persistent('objects of more forms than a store keeps have their fields all the same', (t, store, stored) => {
  const count = 10_020
  store.transaction(() => {
    for (let index = 0; index < count; index += 1) store.root.set(index, { [`name ${index}`]: index, nested: { [`inner ${index}`]: [index] } })
  })
  const last = store.root.get(count - 1)
  last.more = 'more'
  delete last[`name ${count - 1}`]
  for (const rootOf of [() => store.root, () => stored.reopen()]) {
    const root = rootOf()
    t.deepEqual(objects.toPlain(root.get(0)), { 'name 0': 0, nested: { 'inner 0': [0] } })
    t.deepEqual(objects.toPlain(root.get(count - 2)), { [`name ${count - 2}`]: count - 2, nested: { [`inner ${count - 2}`]: [count - 2] } })
    t.deepEqual(objects.toPlain(root.get(count - 1)), { nested: { [`inner ${count - 1}`]: [count - 1] }, more: 'more' })
  }
})
