/** Sets after ECMA-262's steps (24.2): plain ones and their persistent twins. */

import type { ExecutionContext } from 'ava'
import { type Make, listed, objects, persistent, type SetLike, type TwinSet, twins } from './helpers/objects.js'

const letters = (make: Make) => make.set(['a', 'b', 'c', 'd'])

/** Values of which no two are the same. */
const apart = [1, '1', 1n, true, 'true', false, 0, '0', 0n, '', null, 'null', undefined, 'undefined', NaN, 'NaN', '\0', 'a\0', 'a']

/** That an iterator has ended, and does not begin again. */
function hasEnded(t: ExecutionContext, iterator: Iterator<unknown>): void {
  for (const _ of [1, 2]) t.deepEqual({ ...iterator.next() }, { value: undefined, done: true })
}

// Making one

twins('a set of nothing is empty', (t, make) => {
  for (const set of [make.set(), make.set(undefined), make.set(null), make.set([]), make.set(''), make.set(new Set())]) {
    t.is(set.size, 0)
    t.deepEqual([...set], [])
  }
})

twins('a set is made from whatever gives values, in their order', (t, make) => {
  const values = ['b', 'a', 'c']
  const given = [values, 'bac', new Set(values), values.values(), new Map(values.map((value) => [value, 1])).keys(), make.set(values)]
  for (const iterable of given) t.deepEqual(listed(make.set(iterable)), values)
})

twins('a set is made from a generator, which may read the set before', (t, make) => {
  const before = letters(make)
  function* doubled(): Generator<string> {
    for (const value of before) yield value + value
  }
  t.deepEqual([...make.set(doubled())], ['aa', 'bb', 'cc', 'dd'])
})

twins('a value that comes twice is there once, at its first place', (t, make) => {
  const set = make.set(['a', 'b', 'a', 'c', 'b'])
  t.deepEqual([...set], ['a', 'b', 'c'])
  t.is(set.size, 3)
})

for (const values of [1, true, {}, Symbol('s')] as any[]) {
  twins(`a set is not made from ${String(values)}`, (t, make) => {
    t.throws(() => make.set(values), { instanceOf: TypeError })
  })
}

twins('what an iterator of values throws comes through', (t, make) => {
  function* failing(): Generator<string> {
    yield 'a'
    throw new RangeError('no more')
  }
  t.throws(() => make.set(failing()), { instanceOf: RangeError, message: 'no more' })
})

twins('a set from a set is another one', (t, make) => {
  const first = letters(make)
  const second = make.set(first)
  second.add('e')
  first.delete('a')
  t.deepEqual([...first], ['b', 'c', 'd'])
  t.deepEqual([...second], ['a', 'b', 'c', 'd', 'e'])
})

// add, has, delete, clear, size

twins('add gives the set itself', (t, make) => {
  const set = make.set()
  t.is(set.add('a'), set)
  t.is(set.add('a').add('b'), set)
  t.is((set as any).add(), set)
  t.deepEqual([...set], ['a', 'b', undefined])
})

twins('has and delete find what is there, and only that', (t, make) => {
  const set = make.set<any>(['a', undefined, null, 1])
  t.deepEqual(['a', undefined, null, 1, '1', 0, 'b'].map((value) => set.has(value)), [true, true, true, true, false, false, false])
  t.true((set as any).has())
  t.true(set.delete('a'))
  t.false(set.delete('a'))
  t.false(set.delete('x'))
  t.true((set as any).delete())
  t.deepEqual([...set], [null, 1])
})

twins('size counts values, not changes', (t, make) => {
  const set = make.set()
  const sizes = [
    () => set.add('a'),
    () => set.add('a'),
    () => set.add('b'),
    () => set.delete('x'),
    () => set.delete('a'),
    () => set.add('a'),
    () => set.clear(),
    () => set.clear(),
    () => set.add('c'),
  ].map((change) => (change(), set.size))
  t.deepEqual(sizes, [1, 1, 2, 2, 1, 2, 0, 0, 1])
})

twins('the size cannot be set', (t, make) => {
  const set = letters(make)
  t.throws(() => ((set as any).size = 0), { instanceOf: TypeError })
  t.is(set.size, 4)
})

twins('clear gives nothing and leaves an empty set that can be used', (t, make) => {
  const set = letters(make)
  t.is(set.clear(), undefined)
  t.deepEqual([set.size, set.has('a'), [...set].length], [0, false, 0])
  set.add('b').add('a')
  t.deepEqual([...set], ['b', 'a'])
})

twins('insertion gives the order: adding again keeps a place, deleting loses it', (t, make) => {
  const set = letters(make)
  set.add('b')
  t.deepEqual([...set], ['a', 'b', 'c', 'd'])
  set.delete('b')
  set.add('b').add('e')
  t.deepEqual([...set], ['a', 'c', 'd', 'b', 'e'])
})

// SameValueZero

twins('NaN is found, and is there once', (t, make) => {
  const set = make.set([NaN, 0 / 0, -NaN])
  t.deepEqual([...set], [NaN])
  t.true(set.has(Number('x')))
  t.true(set.delete(NaN))
  t.is(set.size, 0)
})

twins('-0 and 0 are one value, which is 0', (t, make) => {
  const set = make.set([-0])
  t.true(set.has(0) && set.has(-0))
  t.true(Object.is([...set][0], 0))
  t.true(Object.is([...set.entries()][0]![1], 0))
  set.add(0).add(-0)
  t.is(set.size, 1)
  t.true(set.delete(-0))
  set.add(-0)
  t.true(Object.is([...set][0], 0))
})

twins('values that look alike are different', (t, make) => {
  const set = make.set<unknown>(apart)
  t.is(set.size, apart.length)
  t.deepEqual([...set], apart)
  for (const value of apart) {
    t.true(set.has(value))
    t.true(set.delete(value))
    t.false(set.has(value))
  }
  t.is(set.size, 0)
})

twins('a container is in a set by its identity', (t, make) => {
  const [first, second] = [make.object({ a: 1 }), make.object({ a: 1 })]
  const [array, map] = [make.array([1]), make.map()]
  const set = make.set<object>([first, array, map, first])
  t.is(set.size, 3)
  t.false(set.has(second))
  first['a'] = 2
  array.push(2)
  t.true(set.has(first) && set.has(array) && set.has(map))
  t.is([...set][0], first)
  t.is([...set][1], array)
  set.add(set)
  t.true(set.has(set))
  t.true(set.delete(array))
  t.is(set.size, 3)
})

// keys, values, entries

twins('iterators give values, and entries of a value twice', (t, make) => {
  const set = make.set(['b', 'a'])
  t.deepEqual([...set], ['b', 'a'])
  t.deepEqual([...set.values()], ['b', 'a'])
  t.deepEqual([...set.keys()], ['b', 'a'])
  t.deepEqual([...set.entries()], [['b', 'b'], ['a', 'a']])
})

twins('a set is iterated by its values, which are its keys', (t, make) => {
  const set = make.set()
  t.is(set[Symbol.iterator], set.values)
  t.is(set.keys, set.values)
})

twins('an iterator is its own iterable, and gives results of its own', (t, make) => {
  const iterator = letters(make).values()
  t.is(iterator[Symbol.iterator](), iterator)
  const first = iterator.next()
  t.deepEqual({ ...first }, { value: 'a', done: false })
  t.not(iterator.next(), first)
  t.deepEqual([...iterator], ['c', 'd'])
})

twins('iterators of one set do not disturb one another', (t, make) => {
  const set = letters(make)
  const [one, two] = [set.values(), set.entries()]
  t.is(one.next().value, 'a')
  t.is(one.next().value, 'b')
  t.deepEqual(two.next().value, ['a', 'a'])
  t.deepEqual([...one], ['c', 'd'])
  t.deepEqual([...two], [['b', 'b'], ['c', 'c'], ['d', 'd']])
})

twins('an iterator goes on after a loop that was left', (t, make) => {
  const iterator = letters(make).values()
  for (const value of iterator) if (value === 'b') break
  const [third] = iterator
  t.is(third, 'c')
  t.deepEqual([...iterator], ['d'])
  t.is(iterator.return, undefined)
})

twins('an iterator that has ended stays ended', (t, make) => {
  const set = make.set(['a'])
  const iterators = [set.keys(), set.values(), set.entries(), set[Symbol.iterator]()]
  for (const iterator of iterators) t.is([...iterator].length, 1)
  set.add('b')
  for (const iterator of iterators) hasEnded(t, iterator)
  t.deepEqual([...set], ['a', 'b'])
})

twins('an iterator of an empty set ends at its first step, not before', (t, make) => {
  const set = make.set<string>()
  const [early, late] = [set.values(), set.values()]
  hasEnded(t, early)
  set.add('a')
  hasEnded(t, early)
  t.deepEqual([...late], ['a'])
})

// Iteration under mutation

twins('what is deleted before the iterator comes to it is not given', (t, make) => {
  const set = letters(make)
  const found: string[] = []
  for (const value of set) {
    found.push(value)
    if (value === 'a') set.delete('b')
    if (value === 'c') set.delete('d')
  }
  t.deepEqual(found, ['a', 'c'])
})

twins('what is deleted behind the iterator, or under it, moves nothing', (t, make) => {
  const set = letters(make)
  const found: string[] = []
  for (const value of set) {
    found.push(value)
    if (value === 'b') set.delete('a')
    if (value === 'c') set.delete('c')
  }
  t.deepEqual(found, ['a', 'b', 'c', 'd'])
  t.deepEqual([...set], ['b', 'd'])
})

twins('a set can be emptied while it is iterated, value by value', (t, make) => {
  const set = make.set(Array.from({ length: 300 }, (_, index) => index))
  let count = 0
  for (const value of set) {
    t.true(set.delete(value))
    count += 1
  }
  t.is(count, 300)
  t.is(set.size, 0)
})

twins('what is deleted and added again is given again, at the end', (t, make) => {
  const set = make.set([1, 2, 3])
  const found: number[] = []
  for (const value of set) {
    found.push(value)
    if (found.length > 3) continue
    set.delete(value)
    set.add(value)
  }
  t.deepEqual(found, [1, 2, 3, 1, 2, 3])
  t.deepEqual([...set], [1, 2, 3])
})

twins('what is deleted before it comes and added again comes at its new place', (t, make) => {
  const set = letters(make)
  const found: string[] = []
  for (const value of set) {
    found.push(value)
    if (found.length > 1) continue
    set.delete('b')
    set.add('b')
  }
  t.deepEqual(found, ['a', 'c', 'd', 'b'])
})

twins('what is added while it is iterated is given too', (t, make) => {
  const set = make.set([0])
  const found: number[] = []
  for (const value of set) {
    found.push(value)
    if (value < 200) set.add(value + 1).add(value)
  }
  t.deepEqual(found, Array.from({ length: 201 }, (_, index) => index))
})

twins('clear ends an iteration, unless something is added then', (t, make) => {
  const set = letters(make)
  const iterator = set.values()
  t.is(iterator.next().value, 'a')
  t.is(iterator.next().value, 'b')
  set.clear()
  set.add('c').add('a')
  t.deepEqual([...iterator], ['c', 'a'])
  set.add('z')
  hasEnded(t, iterator)
  const ended = set.values()
  ended.next()
  set.clear()
  hasEnded(t, ended)
})

twins('many deletions behind an iterator and many additions before it lose nothing', (t, make) => {
  const set = make.set(Array.from({ length: 500 }, (_, index) => index))
  const iterator = set.values()
  for (let value = 0; value < 250; value += 1) t.is(iterator.next().value, value)
  for (let value = 0; value < 490; value += 1) set.delete(value)
  for (let value = 500; value < 900; value += 1) set.add(value)
  t.deepEqual([...iterator], Array.from({ length: 410 }, (_, index) => 490 + index))
})

twins('an iterator far into a long set sees what is deleted and added before it', (t, make) => {
  const set = make.set(Array.from({ length: 700 }, (_, index) => index))
  const found: number[] = []
  for (const value of set) {
    found.push(value)
    if (value === 300) set.delete(301)
    if (value === 350) {
      set.delete(360)
      set.add(360)
    }
    if (value === 400) set.add(700)
  }
  const expected = Array.from({ length: 700 }, (_, index) => index).filter((value) => value !== 301 && value !== 360)
  t.deepEqual(found, [...expected, 360, 700])
})

// forEach

twins('forEach gives a value twice and the set, and nothing back', (t, make) => {
  const set = make.set(['a', 'b'])
  const found: unknown[][] = []
  const self = {}
  const back = set.forEach(function (this: unknown, ...args: unknown[]) {
    t.is(this, self)
    t.is(args[2], set)
    found.push(args.slice(0, 2))
    t.is(args.length, 3)
  }, self)
  t.is(back, undefined)
  t.deepEqual(found, [['a', 'a'], ['b', 'b']])
})

twins('forEach wants a function, also of an empty set', (t, make) => {
  for (const callback of [undefined, null, 1, 'f', {}, []] as any[]) {
    t.throws(() => make.set().forEach(callback), { instanceOf: TypeError })
  }
})

twins('forEach ends with what its function throws, and keeps what it changed', (t, make) => {
  const set = letters(make)
  const failing = (value: string) => {
    set.delete(value)
    if (value === 'b') throw new RangeError('enough')
  }
  t.throws(() => set.forEach(failing), { instanceOf: RangeError, message: 'enough' })
  t.deepEqual([...set], ['c', 'd'])
})

twins('forEach sees what its function deletes, adds, adds again and clears', (t, make) => {
  const set = letters(make)
  const found: string[] = []
  set.forEach((value) => {
    found.push(value)
    if (found.length === 1) {
      set.delete('b')
      set.delete('a')
      set.add('a').add('e')
    }
    if (value !== 'e') return
    set.clear()
    set.add('f')
  })
  t.deepEqual(found, ['a', 'c', 'd', 'a', 'e', 'f'])
})

// The methods that take another set

const methods = [
  'union',
  'intersection',
  'difference',
  'symmetricDifference',
  'isSubsetOf',
  'isSupersetOf',
  'isDisjointFrom',
] as const

/** What a method gives: the values of a set, in their order, or a boolean. */
function given(set: TwinSet<any>, method: (typeof methods)[number], other: SetLike<any>): unknown {
  const result = set[method](other)
  return typeof result === 'boolean' ? result : [...result]
}

/** What each method gives. */
function allGiven(set: TwinSet<any>, other: SetLike<any>): unknown[] {
  return methods.map((method) => given(set, method, other))
}

const pairs: [what: string, left: unknown[], right: unknown[], results: unknown[]][] = [
  ['two empty sets', [], [], [[], [], [], [], true, true, true]],
  ['an empty set and another', [], [1, 2], [[1, 2], [], [], [1, 2], true, false, true]],
  ['a set and an empty one', [1, 2], [], [[1, 2], [], [1, 2], [1, 2], false, true, true]],
  ['sets that overlap', [1, 2, 3], [3, 2, 4], [[1, 2, 3, 4], [2, 3], [1], [1, 4], false, false, false]],
  ['a larger set and a smaller one', [1, 2, 3, 4], [5, 3, 1], [[1, 2, 3, 4, 5], [3, 1], [2, 4], [2, 4, 5], false, false, false]],
  ['a smaller set and a larger one', [3, 1], [1, 2, 3, 4], [[3, 1, 2, 4], [3, 1], [], [2, 4], true, false, false]],
  ['a set and a part of it', [1, 2, 3], [3, 1], [[1, 2, 3], [3, 1], [2], [2], false, true, false]],
  ['sets that have nothing in common', [1, 2], ['1', 2n], [[1, 2, '1', 2n], [], [1, 2], [1, 2, '1', 2n], false, false, true]],
  ['the same values in another order', ['a', 'b'], ['b', 'a'], [['a', 'b'], ['a', 'b'], [], [], true, true, false]],
  ['NaN and undefined', [NaN, undefined], [undefined, null, NaN], [[NaN, undefined, null], [NaN, undefined], [], [null], true, false, false]],
]

for (const [what, left, right, results] of pairs) {
  twins(`the set methods know ${what}`, (t, make) => {
    const [set, other] = [make.set(left), make.set(right)]
    t.deepEqual(allGiven(set, other), results)
    t.deepEqual(allGiven(set, new Set(right)), results, 'a plain set')
    t.deepEqual(allGiven(set, make.map(right.map((key) => [key, 1]))), results, 'a map')
    t.deepEqual([...set], left)
    t.deepEqual([...other], right)
  })
}

twins('the set methods know the set itself', (t, make) => {
  const set = make.set([1, 2])
  t.deepEqual(allGiven(set, set), [[1, 2], [1, 2], [], [], true, true, false])
  const empty = make.set()
  t.deepEqual(allGiven(empty, empty), [[], [], [], [], true, true, true])
})

twins('a plain set takes a twin as the other', (t, make) => {
  const set = make.set([2, 3])
  const reference = 'union' in Set.prototype ? (new Set([1, 2]) as TwinSet<number>) : undefined
  t.deepEqual([...new Set([1, 2, ...set])], [1, 2, 3])
  if (reference) t.deepEqual(allGiven(reference, set), [[1, 2, 3], [2], [1], [1, 3], false, false, false])
})

twins('the set methods know containers by identity', (t, make) => {
  const [a, b, c] = [make.object({ a: 1 }), make.object({ a: 1 }), make.array()]
  const [set, other] = [make.set<object>([a, b]), make.set<object>([b, c])]
  t.is([...set.intersection(other)][0], b)
  t.deepEqual([...set.union(other)].map((value) => [a, b, c].indexOf(value as any)), [0, 1, 2])
  t.is([...set.difference(other)][0], a)
  t.false(set.isDisjointFrom(other))
})

twins('what a set method gives is a new set, and changes neither of the two', (t, make) => {
  const [set, other] = [make.set([1, 2]), make.set([2, 3])]
  for (const method of ['union', 'intersection', 'difference', 'symmetricDifference'] as const) {
    const result = set[method](other) as Set<number>
    t.not(result, set)
    result.add(100)
    result.delete(2)
  }
  t.deepEqual([[...set], [...other]], [[1, 2], [2, 3]])
})

/** A set of numbers that keeps account of what is asked of it. */
function recording(values: unknown[], asked: string[], size: unknown = values.length): SetLike<any> {
  const answers: Record<string, unknown> = {
    size: { valueOf: () => (asked.push('number'), size) },
    has: (value: unknown) => (asked.push(`has ${String(value)}`), values.includes(value)),
    keys: () => {
      asked.push('keys()')
      let index = 0
      const next = () => (asked.push('step'), { done: index >= values.length, value: values[index++] })
      const closing = () => (asked.push('return'), {})
      return Object.defineProperties({}, { next: { get: () => (asked.push('next'), next) }, return: { value: closing } })
    },
  }
  return new Proxy({}, { get: (_, name) => (asked.push(`get ${String(name)}`), answers[String(name)]) }) as SetLike<any>
}

const record = ['get size', 'number', 'get has', 'get keys']
const walk = ['keys()', 'next', 'step', 'step', 'step']

const asking: [method: (typeof methods)[number], left: number[], asked: string[]][] = [
  ['union', [1, 2, 3], walk],
  ['symmetricDifference', [1, 2, 3], walk],
  ['intersection', [1, 2], ['has 1', 'has 2']],
  ['intersection', [1, 2, 3], walk],
  ['difference', [1, 2], ['has 1', 'has 2']],
  ['difference', [1, 2, 3], walk],
  ['isSubsetOf', [2, 1], ['has 2', 'has 1']],
  ['isSubsetOf', [1, 2, 3], []],
  ['isSupersetOf', [1, 2, 9], ['keys()', 'next', 'step', 'step', 'return']],
  ['isSupersetOf', [9, 2, 7], walk],
  ['isSupersetOf', [1], []],
  ['isDisjointFrom', [1, 9], ['has 1', 'has 9']],
  ['isDisjointFrom', [1, 2, 9], ['keys()', 'next', 'step', 'return']],
  ['isDisjointFrom', [1, 2, 3], walk],
]

for (const [method, left, asked] of asking) {
  twins(`${method} of [${left.join()}] asks another set in ECMA-262's order, once each`, (t, make) => {
    const found: string[] = []
    given(make.set(left), method, recording([9, 7], found))
    const expected = method === 'isSubsetOf' && left.length === 2 ? ['has 2'] : asked
    t.deepEqual(found, [...record, ...expected])
  })
}

for (const method of methods) {
  twins(`${method} refuses what is no set`, (t, make) => {
    const set = make.set([1, 2])
    const good = { size: 2, has: () => true, keys: () => [][Symbol.iterator]() }
    const bad: unknown[] = [undefined, null, 1, 'ab', [1], {}, make.array([1])]
    for (const size of [undefined, NaN, 'x', 1n, Symbol('s')]) bad.push({ ...good, size })
    for (const has of [undefined, null, 1, {}]) bad.push({ ...good, has })
    for (const keys of [undefined, null, 1, {}]) bad.push({ ...good, keys })
    for (const other of bad as any[]) t.throws(() => set[method](other), { instanceOf: TypeError })
    for (const size of [-1, -Infinity]) t.throws(() => set[method]({ ...good, size }), { instanceOf: RangeError })
    t.deepEqual([...set], [1, 2])
  })

  twins(`${method} takes a size that is no whole number, or infinite`, (t, make) => {
    const [set, full] = [make.set([1, 2]), new Set([1, 2])]
    const like = (size: unknown) => ({ size, has: (value: number) => full.has(value), keys: () => full.keys() }) as SetLike<number>
    const expected = given(set, method, full)
    for (const size of [2.9, '2', { valueOf: () => 2 }]) t.deepEqual(given(set, method, like(size)), expected)
    if (method !== 'isSupersetOf') t.deepEqual(given(set, method, like(Infinity)), expected)
    t.deepEqual(given(make.set([]), method, like(-0.5)), given(make.set([]), method, full))
  })
}

for (const method of ['union', 'symmetricDifference', 'isSupersetOf'] as const) {
  twins(`${method} refuses keys that are no iterator`, (t, make) => {
    const set = make.set([1, 2])
    for (const keys of [() => undefined, () => 1, () => ({}), () => ({ next: 1 }), () => ({ next: () => 1 })] as any[]) {
      t.throws(() => set[method]({ size: 0, has: () => true, keys }), { instanceOf: TypeError })
    }
  })
}

twins('a function can be the other set', (t, make) => {
  const other = Object.defineProperty(() => {}, 'size', { value: 2 }) as any
  other.has = (value: number) => value === 2
  other.keys = () => [2, 5].values()
  t.deepEqual(allGiven(make.set([1, 2]), other), [[1, 2, 5], [2], [1], [1, 5], false, false, false])
})

twins("-0 from another set's keys becomes 0", (t, make) => {
  const other = { size: 1, has: () => false, keys: () => [-0].values() }
  t.true(Object.is([...make.set([1]).union(other)][1], 0))
  t.true(Object.is([...make.set([1]).symmetricDifference(other)][1], 0))
  t.true(Object.is([...make.set([0, 1]).intersection(other)][0], 0))
  t.deepEqual([...make.set([0, 1]).difference(other)], [1])
  t.deepEqual([...make.set([0, 1]).symmetricDifference(other)], [1])
})

twins('keys that repeat themselves count once', (t, make) => {
  const other = { size: 1, has: () => false, keys: () => [1, 5, 1, 5].values() }
  const set = make.set([1, 2])
  t.deepEqual([...set.union(other)], [1, 2, 5])
  t.deepEqual([...set.intersection(other)], [1])
  t.deepEqual([...set.difference(other)], [2])
  t.deepEqual([...set.symmetricDifference(other)], [2, 5])
})

twins("union keeps what was there when the other's keys were asked for", (t, make) => {
  const set = make.set(['a', 'b', 'c'])
  const keys = () => {
    const values = ['x', 'y']
    return {
      next: () => {
        set.delete('b')
        set.add('z')
        return { done: values.length === 0, value: values.shift() }
      },
    } as Iterator<string>
  }
  t.deepEqual([...set.union({ size: 2, has: () => false, keys })], ['a', 'b', 'c', 'x', 'y'])
  t.deepEqual([...set], ['a', 'c', 'z'])
})

twins('has may change the set whose intersection is asked for', (t, make) => {
  const set = make.set(['a', 'b', 'c'])
  const asked: string[] = []
  const has = (value: string) => {
    asked.push(value)
    if (value === 'a') {
      set.delete('b')
      set.delete('a')
      set.add('d')
    }
    return true
  }
  t.deepEqual([...set.intersection({ size: 10, has, keys: () => [][Symbol.iterator]() })], ['a', 'c', 'd'])
  t.deepEqual(asked, ['a', 'c', 'd'])
})

twins('symmetricDifference looks at the set as it is then', (t, make) => {
  const set = make.set(['a', 'b'])
  const keys = () => {
    const values = ['a', 'b', 'c']
    return {
      next: () => {
        set.delete('a')
        set.add('c')
        return { done: values.length === 0, value: values.shift() }
      },
    } as Iterator<string>
  }
  t.deepEqual([...set.symmetricDifference({ size: 3, has: () => false, keys })], ['a'])
})

twins('what another set throws comes through', (t, make) => {
  const set = make.set([1, 2])
  const fail = () => {
    throw new RangeError('no')
  }
  const step = { size: 0, has: fail, keys: () => ({ next: fail }) } as any
  for (const method of ['union', 'symmetricDifference', 'intersection', 'difference', 'isSupersetOf', 'isDisjointFrom'] as const) {
    t.throws(() => set[method](step), { instanceOf: RangeError, message: 'no' })
  }
  for (const method of ['intersection', 'difference', 'isSubsetOf', 'isDisjointFrom'] as const) {
    t.throws(() => set[method]({ ...step, size: 5 }), { instanceOf: RangeError, message: 'no' })
  }
})

// With the rest of the language

twins('a set goes where iterables go', (t, make) => {
  const set = letters(make)
  const [first, ...rest] = set
  t.is(first, 'a')
  t.deepEqual(rest, ['b', 'c', 'd'])
  t.is([...set].join(), 'a,b,c,d')
  t.deepEqual(Array.from(set, (value) => value + 1), ['a1', 'b1', 'c1', 'd1'])
  t.true(new Set(set).has('c'))
})

twins('a set has no properties of its own that are listed, and JSON shows none', (t, make) => {
  const set = letters(make)
  t.deepEqual(Object.keys(set), [])
  t.is(JSON.stringify({ set }), '{"set":{}}')
  t.deepEqual({ ...set }, {} as any)
})

twins('a set says that it is one', (t, make) => {
  const set = make.set()
  t.is(Object.prototype.toString.call(set), '[object Set]')
  t.is(String(set), '[object Set]')
  t.true(Set.prototype.isPrototypeOf(set))
  t.is(set[Symbol.toStringTag], 'Set')
})

twins('a set has the methods of sets', (t, make) => {
  const set = make.set() as any
  for (const name of ['add', 'clear', 'delete', 'entries', 'forEach', 'has', 'keys', 'values', ...methods]) {
    t.is(typeof set[name], 'function', name)
    t.true(name in set, name)
    t.false(Object.hasOwn(set, name), name)
  }
  t.true('size' in set)
  t.false('get' in set)
  t.false('set' in set)
})

twins('a long run of changes comes to the same', (t, make) => {
  const set = make.set<number | string>()
  let state = 54321
  const random = (below: number) => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % below
  for (let step = 0; step < 3000; step += 1) {
    const number = random(120)
    const value = random(2) === 0 ? number : `${number}`
    const choice = random(100)
    if (choice < 55) set.add(value)
    else if (choice < 85) make.note(set.delete(value))
    else if (choice < 95) make.note(set.has(value))
    else if (choice < 99) make.note(set.size, [...set].join())
    else if (random(4) === 0) set.clear()
  }
  t.true(set.size > 0)
})

// Where persistent sets differ

persistent('a set method gives a plain set', (t, store) => {
  const [set, other] = [store.set([1, 2]), store.set([2, 3])]
  for (const method of ['union', 'intersection', 'difference', 'symmetricDifference'] as const) {
    const result = set[method](other)
    t.true(result instanceof Set, method)
    t.false(objects.isPersistent(result), method)
  }
})

persistent('a set takes no plain object, date or bytes', (t, store) => {
  const set = store.set<unknown>(['a'])
  for (const value of [{}, [], new Map(), new Set(), new Date(), new Uint8Array(1), new ArrayBuffer(1), () => 1, Symbol('s')]) {
    t.throws(() => set.add(value), { code: 'ERR_PMEM_UNCLONEABLE' })
    t.throws(() => store.set([value]), { code: 'ERR_PMEM_UNCLONEABLE' })
    t.false(set.has(value))
    t.false(set.delete(value))
  }
  t.deepEqual([...set], ['a'])
})

persistent('a plain set that is copied in keeps its order', (t, store) => {
  const map = store.map([['inner', new Set<unknown>([NaN, 'b', 2, 'a', 1])]])
  t.true(objects.isPersistent(map.get('inner')))
  t.deepEqual([...map.get('inner')!], [NaN, 'b', 2, 'a', 1])
})

persistent('the methods of plain sets do not work on persistent ones', (t, store) => {
  const set = store.set(['a'])
  t.throws(() => Set.prototype.has.call(set, 'a'), { instanceOf: TypeError })
  t.throws(() => Set.prototype.add.call(set, 'b'), { instanceOf: TypeError })
  t.throws(() => Reflect.get(Set.prototype, 'size', set), { instanceOf: TypeError })
  t.deepEqual([...set], ['a'])
})

persistent("a set's methods work on sets alone", (t, store) => {
  const set = store.set(['a'])
  for (const other of [undefined, 1, {}, new Set(), store.map(), store.object({}), Object.create(set)] as any[]) {
    t.throws(() => set.has.call(other, 'a'), { instanceOf: TypeError })
    t.throws(() => set.add.call(other, 'b'), { instanceOf: TypeError })
    t.throws(() => set.union.call(other, new Set() as any), { instanceOf: TypeError })
  }
  t.true(set.has.call(store.set(['x']), 'x'))
})
