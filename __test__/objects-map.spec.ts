/** Maps after ECMA-262's steps (24.1): plain ones and their persistent twins. */

import type { ExecutionContext } from 'ava'
import { type Make, listed, objects, persistent, twins } from './helpers/objects.js'

const letters = (make: Make) => make.map<string, number>([['a', 1], ['b', 2], ['c', 3], ['d', 4]])

/** Values of which no two are the same key. */
const apart = [1, '1', 1n, true, 'true', false, 0, '0', 0n, '', null, 'null', undefined, 'undefined', NaN, 'NaN', '\0', 'a\0', 'a']

/** That an iterator has ended, and does not begin again. */
function hasEnded(t: ExecutionContext, iterator: Iterator<unknown>): void {
  for (const _ of [1, 2]) t.deepEqual({ ...iterator.next() }, { value: undefined, done: true })
}

// Making one

twins('a map of nothing is empty', (t, make) => {
  for (const map of [make.map(), make.map(undefined), make.map(null), make.map([]), make.map(new Map())]) {
    t.is(map.size, 0)
    t.deepEqual([...map], [])
  }
})

twins('a map is made from whatever gives entries, in their order', (t, make) => {
  const entries: [string, number][] = [['b', 1], ['a', 2]]
  const given = [entries, new Map(entries), entries[Symbol.iterator](), new Set(entries), make.map(entries), make.map(entries).entries()]
  for (const iterable of given) t.deepEqual(listed(make.map(iterable)), entries)
})

twins('a map is made from a generator, which may read the map before', (t, make) => {
  const before = letters(make)
  function* doubled(): Generator<[string, number]> {
    for (const [key, value] of before) yield [key, 2 * value]
  }
  t.deepEqual(listed(make.map(doubled())), [['a', 2], ['b', 4], ['c', 6], ['d', 8]])
})

twins('an entry is any object with a 0 and a 1', (t, make) => {
  const map = make.map([{ 0: 'a', 1: 1 }, ['b'], [], make.array(['c', 3, 'more'])] as any)
  t.deepEqual([...map], [['a', 1], ['b', undefined], [undefined, undefined], ['c', 3]])
})

twins('a later entry replaces an earlier one where that stands', (t, make) => {
  t.deepEqual(listed(make.map([['a', 1], ['b', 2], ['a', 3]])), [['a', 3], ['b', 2]])
})

for (const entries of [1, true, {}, Symbol('s')] as any[]) {
  twins(`a map is not made from ${String(entries)}`, (t, make) => {
    t.throws(() => make.map(entries), { instanceOf: TypeError })
  })
}

for (const entry of [1, 'ab', null, undefined, true] as any[]) {
  twins(`an entry that is ${String(entry)} is refused, and the iterator is closed`, (t, make) => {
    let closed = 0
    const iterator = { next: () => ({ value: entry, done: false }), return: () => ((closed += 1), {}) }
    t.throws(() => make.map({ [Symbol.iterator]: () => iterator } as any), { instanceOf: TypeError })
    t.is(closed, 1)
  })
}

twins('what an iterator of entries throws comes through', (t, make) => {
  function* failing(): Generator<[string, number]> {
    yield ['a', 1]
    throw new RangeError('no more')
  }
  t.throws(() => make.map(failing()), { instanceOf: RangeError, message: 'no more' })
})

twins('a map from a map is another one', (t, make) => {
  const first = letters(make)
  const second = make.map(first)
  second.set('e', 5)
  first.delete('a')
  t.deepEqual([...first.keys()], ['b', 'c', 'd'])
  t.deepEqual([...second.keys()], ['a', 'b', 'c', 'd', 'e'])
})

// get, has, set, delete, clear, size

twins('set gives the map itself', (t, make) => {
  const map = make.map()
  t.is(map.set('a', 1), map)
  t.is(map.set('a', 2).set('b', 3), map)
  t.deepEqual([...map], [['a', 2], ['b', 3]])
})

twins('get and has find what is there, and only that', (t, make) => {
  const map = make.map<any, any>([['a', 1], ['u', undefined], [undefined, 'x']])
  t.deepEqual(['a', 'u', undefined, 'b'].map((key) => map.get(key)), [1, undefined, 'x', undefined])
  t.deepEqual(['a', 'u', undefined, 'b'].map((key) => map.has(key)), [true, true, true, false])
  t.is((map as any).get(), 'x')
  t.true((map as any).has())
})

twins('set without arguments sets undefined to undefined', (t, make) => {
  const map = make.map()
  ;(map as any).set()
  ;(map as any).set('a')
  t.deepEqual([...map], [[undefined, undefined], ['a', undefined]])
})

twins('delete says whether there was something', (t, make) => {
  const map = letters(make)
  t.true(map.delete('b'))
  t.false(map.delete('b'))
  t.false(map.delete('x'))
  t.false((map as any).delete())
  t.is(map.size, 3)
  t.false(map.has('b'))
  t.is(map.get('b'), undefined)
})

twins('size counts entries, not changes', (t, make) => {
  const map = make.map()
  const sizes = [
    () => map.set('a', 1),
    () => map.set('a', 2),
    () => map.set('b', 1),
    () => map.delete('x'),
    () => map.delete('a'),
    () => map.set('a', 3),
    () => map.clear(),
    () => map.clear(),
    () => map.set('c', 1),
  ].map((change) => (change(), map.size))
  t.deepEqual(sizes, [1, 1, 2, 2, 1, 2, 0, 0, 1])
})

twins('the size cannot be set', (t, make) => {
  const map = letters(make)
  t.throws(() => ((map as any).size = 0), { instanceOf: TypeError })
  t.is(map.size, 4)
})

twins('clear gives nothing and leaves an empty map that can be used', (t, make) => {
  const map = letters(make)
  t.is(map.clear(), undefined)
  t.deepEqual([map.size, map.has('a'), [...map].length], [0, false, 0])
  map.set('b', 5)
  map.set('a', 6)
  t.deepEqual([...map], [['b', 5], ['a', 6]])
})

twins('insertion gives the order: replacing keeps a place, deleting loses it', (t, make) => {
  const map = letters(make)
  map.set('b', 20)
  t.deepEqual([...map.keys()], ['a', 'b', 'c', 'd'])
  map.delete('b')
  map.set('b', 200)
  t.deepEqual([...map], [['a', 1], ['c', 3], ['d', 4], ['b', 200]])
  map.delete('b')
  map.set('e', 5).set('b', 2000)
  t.deepEqual([...map.keys()], ['a', 'c', 'd', 'e', 'b'])
})

twins('numbers and strings that look like them keep their own order', (t, make) => {
  const map = make.map<any, string>()
  for (const key of [2, '10', 1, 'b', '1', -1, 'a', 0.5]) map.set(key, typeof key)
  t.deepEqual([...map.keys()], [2, '10', 1, 'b', '1', -1, 'a', 0.5])
})

// SameValueZero

twins('NaN finds NaN', (t, make) => {
  const map = make.map<number, number>([[NaN, 1]])
  t.is(map.get(NaN), 1)
  t.is(map.get(0 / 0), 1)
  t.is(map.get(-NaN), 1)
  map.set(Number('x'), 2)
  t.deepEqual([...map], [[NaN, 2]])
  t.true(map.delete(NaN))
  t.is(map.size, 0)
})

twins('-0 and 0 are one key, which is 0', (t, make) => {
  const map = make.map<number, string>()
  map.set(-0, 'minus')
  t.deepEqual([map.get(0), map.get(-0), map.has(0), map.has(-0)], ['minus', 'minus', true, true])
  t.true(Object.is([...map.keys()][0], 0))
  map.set(0, 'plus')
  t.deepEqual([...map], [[0, 'plus']])
  t.true(map.delete(-0))
  t.true(Object.is(listed(make.map([[-0, 1]]))[0]![0], 0))
})

twins('-0 stays what it is as a value', (t, make) => {
  const map = make.map([['zero', -0]])
  t.true(Object.is(map.get('zero'), -0))
  map.set('zero', 0)
  t.true(Object.is(map.get('zero'), 0))
  map.set('zero', -0)
  t.true(Object.is([...map.values()][0], -0))
})

twins('keys that look alike are different entries', (t, make) => {
  const map = make.map<unknown, number>(apart.map((key, index) => [key, index]))
  t.is(map.size, apart.length)
  t.deepEqual([...map.keys()], apart)
  for (const [index, key] of apart.entries()) t.is(map.get(key), index)
  for (const [index, key] of apart.entries()) {
    t.true(map.delete(key))
    t.is(map.size, apart.length - index - 1)
    t.false(map.has(key))
  }
})

twins('numbers that are equal are one key, whatever they were written as', (t, make) => {
  const map = make.map<unknown, string>([[1, 'one'], [2 ** 31, 'edge'], [2 ** 53, 'large'], [0.1, 'tenth'], [10n ** 20n, 'bigint']])
  t.deepEqual([1.0, 2147483648, 9007199254740992, 0.1, BigInt('1' + '0'.repeat(20))].map((key) => map.get(key)), [
    'one',
    'edge',
    'large',
    'tenth',
    'bigint',
  ])
  t.deepEqual([2 ** 31 - 1, 2 ** 53 - 1, 0.1 + Number.EPSILON, 0.3 - 0.2, 10n ** 20n + 1n].map((key) => map.has(key)), [
    false,
    false,
    false,
    false,
    false,
  ])
})

twins('strings are the same key only unit by unit', (t, make) => {
  const keys = ['é', 'e\u0301', '\ud800', '\udc00', '\ud800\udc00', '\ufffd', 'ß', 'SS', 'x'.repeat(300), 'x'.repeat(301), '\0', '\0\0']
  const map = make.map<string, number>(keys.map((key, index) => [key, index]))
  t.is(map.size, keys.length)
  t.deepEqual(keys.map((key) => map.get([...key].join(''))), [...keys.keys()])
})

twins('a container is a key by its identity', (t, make) => {
  const [first, second] = [make.object({ a: 1 }), make.object({ a: 1 })]
  const [array, inner] = [make.array([1]), make.map()]
  const map = make.map<object, string>([[first, 'first'], [array, 'array'], [inner, 'map']])
  t.is(map.get(first), 'first')
  t.is(map.get(array), 'array')
  t.is(map.get(inner), 'map')
  t.false(map.has(second))
  first['a'] = 2
  array.push(2)
  t.is(map.get(first), 'first')
  t.true(map.has(array))
  t.is([...map.keys()][0], first)
  map.set(map, 'itself')
  t.is(map.get(map), 'itself')
  t.true(map.delete(map))
  t.true(map.delete(array))
  t.deepEqual([...map.values()], ['first', 'map'])
})

twins('a container is the same when it is read again', (t, make) => {
  const inner = make.object({ a: 1 })
  const map = make.map<string, any>([['inner', inner], ['again', inner]])
  t.is(map.get('inner'), inner)
  t.is(map.get('inner'), map.get('again'))
  t.is([...map.values()][0], inner)
  map.get('inner').a = 2
  t.is(map.get('again').a, 2)
  map.delete('inner')
  map.delete('again')
  t.is(inner['a'], 2)
  map.set('back', inner)
  t.is(map.get('back'), inner)
})

twins('a map can hold itself', (t, make) => {
  const map = make.map<string, any>()
  map.set('self', map)
  t.is(map.get('self').get('self'), map)
})

// keys, values, entries

twins('iterators give entries, keys and values in order', (t, make) => {
  const map = letters(make)
  t.deepEqual([...map], [['a', 1], ['b', 2], ['c', 3], ['d', 4]])
  t.deepEqual([...map.entries()], [...map])
  t.deepEqual([...map.keys()], ['a', 'b', 'c', 'd'])
  t.deepEqual([...map.values()], [1, 2, 3, 4])
})

twins('a map is iterated by its entries', (t, make) => {
  const map = make.map()
  t.is(map[Symbol.iterator], map.entries)
})

twins('an iterator is its own iterable, and gives results of its own', (t, make) => {
  const iterator = letters(make).entries()
  t.is(iterator[Symbol.iterator](), iterator)
  const first = iterator.next()
  t.deepEqual({ ...first }, { value: ['a', 1], done: false })
  t.not(iterator.next(), first)
  t.deepEqual([...iterator], [['c', 3], ['d', 4]])
})

twins('an entry that was given is an array of its own', (t, make) => {
  const map = letters(make)
  const [entry] = map as Iterable<[string, number]>
  t.true(Array.isArray(entry))
  entry![0] = 'x'
  entry![1] = 100
  t.is(map.get('a'), 1)
  t.deepEqual([...map][0], ['a', 1])
})

twins('iterators of one map do not disturb one another', (t, make) => {
  const map = letters(make)
  const [keys, values] = [map.keys(), map.values()]
  t.is(keys.next().value, 'a')
  t.is(keys.next().value, 'b')
  t.is(values.next().value, 1)
  t.is(map.keys().next().value, 'a')
  t.deepEqual([...keys], ['c', 'd'])
  t.deepEqual([...values], [2, 3, 4])
})

twins('an iterator goes on after a loop that was left', (t, make) => {
  const iterator = letters(make).keys()
  for (const key of iterator) if (key === 'b') break
  const [third] = iterator
  t.is(third, 'c')
  t.deepEqual([...iterator], ['d'])
  t.is(iterator.return, undefined)
})

twins('an iterator that has ended stays ended', (t, make) => {
  const map = make.map<string, number>([['a', 1]])
  const iterators = [map.keys(), map.values(), map.entries(), map[Symbol.iterator]()]
  for (const iterator of iterators) t.is([...iterator].length, 1)
  map.set('b', 2)
  for (const iterator of iterators) hasEnded(t, iterator)
  t.deepEqual([...map.keys()], ['a', 'b'])
})

twins('an iterator of an empty map ends at its first step, not before', (t, make) => {
  const map = make.map<string, number>()
  const [early, late] = [map.keys(), map.keys()]
  hasEnded(t, early)
  map.set('a', 1)
  hasEnded(t, early)
  t.deepEqual([...late], ['a'])
})

twins('a value is read when the iterator comes to it', (t, make) => {
  const map = letters(make)
  const iterator = map.values()
  t.is(iterator.next().value, 1)
  map.set('a', 10).set('b', 20)
  t.is(iterator.next().value, 20)
})

// Iteration under mutation

twins('what is deleted before the iterator comes to it is not given', (t, make) => {
  const map = letters(make)
  const found: string[] = []
  for (const key of map.keys()) {
    found.push(key)
    if (key === 'a') map.delete('b')
    if (key === 'c') map.delete('d')
  }
  t.deepEqual(found, ['a', 'c'])
})

twins('what is deleted behind the iterator, or under it, moves nothing', (t, make) => {
  const map = letters(make)
  const found: string[] = []
  for (const key of map.keys()) {
    found.push(key)
    if (key === 'b') map.delete('a')
    if (key === 'c') map.delete('c')
  }
  t.deepEqual(found, ['a', 'b', 'c', 'd'])
  t.deepEqual([...map.keys()], ['b', 'd'])
})

twins('a map can be emptied while it is iterated, entry by entry', (t, make) => {
  const map = make.map<number, number>(Array.from({ length: 300 }, (_, index) => [index, index]))
  let count = 0
  for (const key of map.keys()) {
    t.true(map.delete(key))
    count += 1
  }
  t.is(count, 300)
  t.is(map.size, 0)
})

twins('what is deleted and set again is given again, at the end', (t, make) => {
  const map = letters(make)
  const found: [string, number][] = []
  for (const [key, value] of map) {
    found.push([key, value])
    if (value > 4) continue
    map.delete(key)
    map.set(key, value + 10)
  }
  t.deepEqual(found, [['a', 1], ['b', 2], ['c', 3], ['d', 4], ['a', 11], ['b', 12], ['c', 13], ['d', 14]])
})

twins('what is deleted before it comes and set again comes at its new place', (t, make) => {
  const map = letters(make)
  const found: string[] = []
  for (const key of map.keys()) {
    found.push(key)
    if (found.length > 1) continue
    map.delete('b')
    map.set('b', 20)
  }
  t.deepEqual(found, ['a', 'c', 'd', 'b'])
})

twins('what is added while it is iterated is given too', (t, make) => {
  const map = make.map<number, number>([[0, 0]])
  const found: number[] = []
  for (const key of map.keys()) {
    found.push(key)
    if (key < 200) map.set(key + 1, key)
  }
  t.deepEqual(found, Array.from({ length: 201 }, (_, index) => index))
})

twins('what is added at the last entry is given too', (t, make) => {
  const map = letters(make)
  const iterator = map.keys()
  for (const _ of [1, 2, 3, 4]) iterator.next()
  map.set('e', 5)
  t.is(iterator.next().value, 'e')
  hasEnded(t, iterator)
})

twins('replacing values while iterating gives nothing twice', (t, make) => {
  const map = letters(make)
  const found: number[] = []
  for (const [key, value] of map) {
    found.push(value)
    for (const other of map.keys()) map.set(other, map.get(other)! + 100)
    t.true(map.get(key)! > value)
  }
  t.deepEqual(found, [1, 102, 203, 304])
})

twins('clear ends an iteration, unless something is added then', (t, make) => {
  const map = letters(make)
  const found: string[] = []
  for (const key of map.keys()) {
    found.push(key)
    if (key === 'b') map.clear()
  }
  t.deepEqual(found, ['a', 'b'])
  const again = letters(make)
  const iterator = again.keys()
  t.is(iterator.next().value, 'a')
  t.is(iterator.next().value, 'b')
  again.clear()
  again.set('c', 30).set('a', 10)
  t.deepEqual([...iterator], ['c', 'a'])
  again.set('z', 1)
  hasEnded(t, iterator)
})

twins('clear before the first step leaves an iterator to what comes then', (t, make) => {
  const map = letters(make)
  const iterator = map.entries()
  map.clear()
  map.set('x', 1)
  map.clear()
  map.set('y', 2)
  t.deepEqual([...iterator], [['y', 2]])
})

twins('many deletions behind an iterator and many additions before it lose nothing', (t, make) => {
  const map = make.map<number, string>()
  for (let key = 0; key < 500; key += 1) map.set(key, `${key}`)
  const iterator = map.keys()
  for (let key = 0; key < 250; key += 1) t.is(iterator.next().value, key)
  for (let key = 0; key < 490; key += 1) map.delete(key)
  for (let key = 500; key < 900; key += 1) map.set(key, `${key}`)
  t.deepEqual([...iterator], Array.from({ length: 410 }, (_, index) => 490 + index))
})

twins('loops within loops over one map each go their own way', (t, make) => {
  const map = letters(make)
  const found: string[] = []
  for (const outer of map.keys()) {
    for (const inner of map.keys()) {
      found.push(outer + inner)
      if (outer === 'b' && inner === 'b') map.delete('c')
    }
  }
  t.deepEqual(found, ['aa', 'ab', 'ac', 'ad', 'ba', 'bb', 'bd', 'da', 'db', 'dd'])
})

twins('an iterator far into a long map sees what is replaced, deleted and added before it', (t, make) => {
  const map = make.map<number, string>(Array.from({ length: 700 }, (_, index) => [index, `${index}`]))
  const found: string[] = []
  for (const [key, value] of map) {
    found.push(value)
    if (key === 300) map.set(310, 'replaced')
    if (key === 350) map.delete(351)
    if (key === 400) map.set(700, 'added')
  }
  const expected = Array.from({ length: 700 }, (_, index) => (index === 310 ? 'replaced' : `${index}`))
  expected.splice(351, 1)
  t.deepEqual(found, [...expected, 'added'])
})

twins('thousands of entries stay in their order', (t, make) => {
  const map = make.map<number | string, any>()
  for (let index = 0; index < 3000; index += 1) map.set(index % 2 === 0 ? index : `key ${index}`, index % 5 === 0 ? 'x'.repeat(index % 200) : index)
  for (let index = 0; index < 3000; index += 6) map.delete(index)
  for (let index = 0; index < 3000; index += 12) map.set(index, -index)
  t.is(map.size, 2750)
  t.is([...map.keys()].at(-1), 2988)
  t.is(map.get('key 2999'), 2999)
})

// forEach

twins('forEach gives value, key and the map, and nothing back', (t, make) => {
  const map = make.map<string, number>([['a', 1], ['b', 2]])
  const found: unknown[][] = []
  const self = {}
  const back = map.forEach(function (this: unknown, ...args: unknown[]) {
    t.is(this, self)
    t.is(args[2], map)
    found.push(args.slice(0, 2))
    t.is(args.length, 3)
  }, self)
  t.is(back, undefined)
  t.deepEqual(found, [[1, 'a'], [2, 'b']])
})

twins('forEach wants a function, also of an empty map', (t, make) => {
  for (const callback of [undefined, null, 1, 'f', {}, []] as any[]) {
    t.throws(() => make.map().forEach(callback), { instanceOf: TypeError })
  }
})

twins('forEach ends with what its function throws, and keeps what it changed', (t, make) => {
  const map = letters(make)
  const found: string[] = []
  const failing = (_: number, key: string) => {
    found.push(key)
    map.set(key, 0)
    if (key === 'b') throw new RangeError('enough')
  }
  t.throws(() => map.forEach(failing), { instanceOf: RangeError, message: 'enough' })
  t.deepEqual(found, ['a', 'b'])
  t.deepEqual([...map.values()], [0, 0, 3, 4])
})

twins('forEach sees what its function deletes, adds and sets again', (t, make) => {
  const map = letters(make)
  const found: string[] = []
  map.forEach((value, key) => {
    found.push(`${key}${value}`)
    if (key === 'a' && value === 1) {
      map.delete('b')
      map.delete('a')
      map.set('a', 10)
      map.set('e', 5)
    }
  })
  t.deepEqual(found, ['a1', 'c3', 'd4', 'a10', 'e5'])
})

twins('forEach ends where its function clears the map', (t, make) => {
  const map = letters(make)
  const found: string[] = []
  map.forEach((_, key) => {
    found.push(key)
    if (key !== 'b') return
    map.clear()
    map.set('z', 26)
  })
  t.deepEqual(found, ['a', 'b', 'z'])
})

// getOrInsert, getOrInsertComputed

twins('getOrInsert gives what is there, or what it inserts at the end', (t, make) => {
  const map = letters(make)
  t.is(map.getOrInsert('b', 20), 2)
  t.is(map.getOrInsert('e', 5), 5)
  t.is(map.getOrInsert('e', 50), 5)
  t.deepEqual([...map], [['a', 1], ['b', 2], ['c', 3], ['d', 4], ['e', 5]])
})

twins('getOrInsert leaves undefined where it is, and keys one by SameValueZero', (t, make) => {
  const map = make.map<any, any>([['u', undefined], [0, 'zero'], [NaN, 'nan']])
  t.is(map.getOrInsert('u', 1), undefined)
  t.is(map.getOrInsert(-0, 1), 'zero')
  t.is(map.getOrInsert(NaN, 1), 'nan')
  t.is(map.getOrInsert('0', 1), 1)
  t.is((map as any).getOrInsert('v'), undefined)
  t.is(map.size, 5)
  const other = make.map<number, number>()
  other.getOrInsert(-0, -0)
  t.true(Object.is([...other.keys()][0], 0))
  t.true(Object.is(other.get(0), -0))
})

twins('getOrInsert inserts containers as they are', (t, make) => {
  const [map, inner] = [make.map<string, any>(), make.map()]
  t.is(map.getOrInsert('inner', inner), inner)
  t.is(map.getOrInsert('inner', make.map()), inner)
})

twins('getOrInsertComputed calls its function for what is not there alone', (t, make) => {
  const map = letters(make)
  const asked: unknown[][] = []
  const compute = function (this: unknown, ...args: unknown[]): number {
    asked.push([this, ...args])
    return 10 * asked.length
  }
  t.is(map.getOrInsertComputed('b', compute), 2)
  t.is(map.getOrInsertComputed('e', compute), 10)
  t.is(map.getOrInsertComputed('e', compute), 10)
  t.is(map.getOrInsertComputed('f', compute), 20)
  t.deepEqual(asked, [[undefined, 'e'], [undefined, 'f']])
  t.deepEqual([...map.keys()], ['a', 'b', 'c', 'd', 'e', 'f'])
})

twins('getOrInsertComputed is asked for 0, not for -0', (t, make) => {
  const map = make.map<number, number>()
  map.getOrInsertComputed(-0, (key) => (t.true(Object.is(key, 0)), 1))
  t.deepEqual([...map], [[0, 1]])
})

twins('getOrInsertComputed wants a function, also where it is not needed', (t, make) => {
  const map = letters(make)
  for (const compute of [undefined, null, 1, {}] as any[]) {
    t.throws(() => map.getOrInsertComputed('a', compute), { instanceOf: TypeError })
    t.throws(() => map.getOrInsertComputed('x', compute), { instanceOf: TypeError })
  }
  t.is(map.size, 4)
})

twins('getOrInsertComputed inserts nothing when its function throws, which keeps what it changed', (t, make) => {
  const map = letters(make)
  const failing = () => {
    map.set('y', 25)
    throw new RangeError('no')
  }
  t.throws(() => map.getOrInsertComputed('x', failing), { instanceOf: RangeError })
  t.false(map.has('x'))
  t.is(map.get('y'), 25)
})

twins('getOrInsertComputed replaces what its function sets under the key', (t, make) => {
  const map = letters(make)
  const inserting = (key: string) => {
    map.set(key, -1).set('z', 26)
    return 24
  }
  t.is(map.getOrInsertComputed('x', inserting), 24)
  t.deepEqual([...map].slice(4), [['x', 24], ['z', 26]])
})

twins('getOrInsertComputed inserts although its function clears the map', (t, make) => {
  const map = letters(make)
  t.is(map.getOrInsertComputed('x', () => (map.clear(), 24)), 24)
  t.deepEqual([...map], [['x', 24]])
  t.is(map.getOrInsertComputed('u', () => undefined as any) as unknown, undefined)
  t.true(map.has('u'))
})

// With the rest of the language

twins('a map goes where iterables go', (t, make) => {
  const map = letters(make)
  const [[first], ...rest] = map as Iterable<[string, number]> as [[string, number], ...[string, number][]]
  t.is(first, 'a')
  t.is(rest.length, 3)
  t.deepEqual(Object.fromEntries(map), { a: 1, b: 2, c: 3, d: 4 })
  t.deepEqual(Array.from(map.values(), (value) => 2 * value), [2, 4, 6, 8])
  t.is(Math.max(...map.values()), 4)
  t.is(new Map(map).get('c'), 3)
  t.deepEqual([...new Set(map.keys())], ['a', 'b', 'c', 'd'])
})

twins('a map has no properties of its own that are listed, and JSON shows none', (t, make) => {
  const map = letters(make)
  t.deepEqual(Object.keys(map), [])
  t.deepEqual({ ...map }, {} as any)
  t.is(JSON.stringify(map), '{}')
  t.is(JSON.stringify({ map, entries: [...map].slice(0, 1) }), '{"map":{},"entries":[["a",1]]}')
  const listed: string[] = []
  for (const key in map) listed.push(key)
  t.deepEqual(listed, [])
})

twins('a map says that it is one', (t, make) => {
  const map = make.map()
  t.is(Object.prototype.toString.call(map), '[object Map]')
  t.is(String(map), '[object Map]')
  t.true(Map.prototype.isPrototypeOf(map))
  t.is(map[Symbol.toStringTag], 'Map')
})

if ('Iterator' in globalThis) {
  twins('iterators have what all iterators have', (t, make) => {
    const map = letters(make) as any
    t.deepEqual(map.keys().map((key: string) => `${key}!`).toArray(), ['a!', 'b!', 'c!', 'd!'])
    t.deepEqual(listed(map.values().filter((value: number) => value % 2 === 0)), [2, 4])
    t.deepEqual(map.entries().drop(1).take(2).toArray(), [['b', 2], ['c', 3]])
    t.true(map.keys().some((key: string) => key === 'c'))
  })
}

twins('a map has the methods of maps', (t, make) => {
  const map = make.map() as any
  const names = ['clear', 'delete', 'entries', 'forEach', 'get', 'getOrInsert', 'getOrInsertComputed', 'has', 'keys', 'set', 'values']
  for (const name of names) {
    t.is(typeof map[name], 'function', name)
    t.true(name in map, name)
    t.false(Object.hasOwn(map, name), name)
  }
  t.true('size' in map)
  t.false('add' in map)
})

twins('a long run of changes comes to the same', (t, make) => {
  const map = make.map<number | string, any>()
  let state = 12345
  const random = (below: number) => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % below
  for (let step = 0; step < 3000; step += 1) {
    const number = random(120)
    const key = random(2) === 0 ? number : `${number}`
    const choice = random(100)
    if (choice < 50) map.set(key, step)
    else if (choice < 80) make.note(map.delete(key))
    else if (choice < 90) make.note(map.get(key), map.has(key))
    else if (choice < 95) make.note(map.getOrInsert(key, -step))
    else if (choice < 99) make.note(map.size, [...map.keys()].join(), [...map.values()].join())
    else if (random(4) === 0) map.clear()
  }
  t.true(map.size > 0)
})

// Where persistent maps differ

persistent('an iterator does not give what a transaction took back', (t, store) => {
  const map = store.map([['a', 1], ['b', 2]])
  store.transaction(() => {
    const iterator = map.entries()
    t.deepEqual(iterator.next().value, ['a', 1])
    const failing = () =>
      store.transaction(() => {
        map.set('b', 20).set('c', 3)
        t.deepEqual([...map.values()], [1, 20, 3])
        t.deepEqual(iterator.next().value, ['b', 20])
        throw new RangeError('no')
      })
    t.throws(failing, { instanceOf: RangeError })
    map.set('d', 4)
    t.deepEqual([...iterator], [['d', 4]])
  })
  t.deepEqual([...map], [['a', 1], ['b', 2], ['d', 4]])
})

persistent('a plain value is copied into a map, and what is read is live', (t, store) => {
  const map = store.map<string, any>()
  const plain = { list: [1], nested: new Map([['k', { deep: true }]]) }
  map.set('plain', plain)
  const live = map.get('plain')
  t.not(live, plain)
  t.true(objects.isPersistent(live))
  t.is(map.get('plain'), live)
  t.is(live.list, live.list)
  plain.list.push(2)
  t.deepEqual([...live.list], [1])
  live.nested.get('k').deep = false
  t.false(map.get('plain').nested.get('k').deep)
  t.true(plain.nested.get('k')!.deep)
})

persistent('getOrInsert and getOrInsertComputed give the live value', (t, store) => {
  const map = store.map<string, any>()
  const plain: number[] = []
  const list = map.getOrInsert('list', plain)
  t.not(list, plain)
  t.is(list, map.get('list'))
  list.push(1)
  t.deepEqual([...map.get('list')], [1])
  t.is(map.getOrInsert('list', [2]), list)
  const computed = map.getOrInsertComputed('other', () => ({ a: 1 }))
  t.is(computed, map.get('other'))
  t.true(objects.isPersistent(computed))
})

persistent('a plain map that is copied in keeps its order and its keys', (t, store) => {
  const map = store.map([['inner', new Map<unknown, number>([[NaN, 1], ['b', 2], [2, 3], ['a', 4]])]])
  t.deepEqual([...map.get('inner')!], [[NaN, 1], ['b', 2], [2, 3], ['a', 4]])
})

persistent('setMany sets all or nothing, getMany gets all', (t, store) => {
  const map = store.map<string, any>([['a', 1]]) as any
  map.setMany([['b', 2], ['a', 10], ['c', 3]])
  t.deepEqual([...map], [['a', 10], ['b', 2], ['c', 3]])
  t.throws(() => map.setMany([['d', 4], ['e', () => 1]]), { code: 'ERR_PMEM_UNCLONEABLE' })
  function* failing() {
    yield ['d', 4]
    throw new RangeError('no more')
  }
  t.throws(() => map.setMany(failing()), { instanceOf: RangeError })
  t.deepEqual([...map.keys()], ['a', 'b', 'c'])
  t.deepEqual(map.getMany(['c', 'x', 'a']), [3, undefined, 10])
})

persistent('a value that cannot be stored changes nothing in a map', (t, store) => {
  const map = store.map<string, any>([['a', 1]])
  t.throws(() => map.set('b', [1, { deep: Symbol('s') }]), { code: 'ERR_PMEM_UNCLONEABLE' })
  t.throws(() => map.set('a', () => 1), { code: 'ERR_PMEM_UNCLONEABLE' })
  t.throws(() => store.map([['a', Symbol('s') as any]]), { code: 'ERR_PMEM_UNCLONEABLE' })
  t.deepEqual([...map], [['a', 1]])
})

persistent('the methods of plain maps do not work on persistent ones', (t, store) => {
  const map = store.map([['a', 1]])
  t.throws(() => Map.prototype.get.call(map, 'a'), { instanceOf: TypeError })
  t.throws(() => Map.prototype.set.call(map, 'a', 2), { instanceOf: TypeError })
  t.throws(() => Reflect.get(Map.prototype, 'size', map), { instanceOf: TypeError })
  t.is(map.get('a'), 1)
})

persistent("a map's methods work on maps alone", (t, store) => {
  const map = store.map([['a', 1]])
  for (const other of [undefined, 1, {}, new Map(), store.set(), store.object({}), Object.create(map)] as any[]) {
    t.throws(() => map.get.call(other, 'a'), { instanceOf: TypeError })
    t.throws(() => map.set.call(other, 'a', 2), { instanceOf: TypeError })
    t.throws(() => map.forEach.call(other, () => {}), { instanceOf: TypeError })
  }
  t.is(map.get.call(store.map([['a', 3]]), 'a'), 3)
})
