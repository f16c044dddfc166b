/** Arrays after ECMA-262's steps (10.4.2, 23.1): plain ones and their persistent twins. */

import { alike, listed, type Make, objects, outcome, persistent, plain, twins } from './helpers/objects.js'

const letters = (make: Make) => make.array(['a', 'b', 'c', 'd'])

// Making one

twins('an array is made from whatever gives values, in their order', (t, make) => {
  function* generated() {
    yield* ['b', 'a', 'b']
  }
  const values = ['b', 'a', 'b']
  for (const iterable of [values, 'bab', values.values(), generated(), make.array(values)]) {
    t.deepEqual(listed(make.array(iterable)), values)
  }
  t.deepEqual([...make.array(new Set([2, 1, 2]))], [2, 1])
  t.deepEqual([...make.array(make.set([2, 1]))], [2, 1])
  t.deepEqual([...make.array(make.map([['a', 1]]).keys())], ['a'])
})

twins('an array of nothing is empty', (t, make) => {
  for (const array of [make.array(), make.array([]), make.array('')]) {
    t.is(array.length, 0)
    t.deepEqual([...array], [])
  }
})

for (const values of [1, true, {}, Symbol('s')] as any[]) {
  twins(`an array is not made from ${String(values)}`, (t, make) => {
    t.throws(() => make.array(values), { instanceOf: TypeError })
  })
}

twins('an array from an array is another one', (t, make) => {
  const first = letters(make)
  const second = make.array(first)
  first.pop()
  second.push('e')
  t.deepEqual([first.length, second.length], [3, 5])
})

// What an array is

twins('an array is an array for the language', (t, make) => {
  const array = letters(make)
  t.true(Array.isArray(array))
  t.is(Object.getPrototypeOf(array), Array.prototype)
  t.is(array.constructor, Array)
  t.is(Object.prototype.toString.call(array), '[object Array]')
  t.is(typeof array, 'object')
  t.true(Object.isExtensible(array))
  t.false(Object.isFrozen(array) || Object.isSealed(array))
})

twins('its own keys are the indexes, then the length', (t, make) => {
  const array = letters(make)
  t.deepEqual(Reflect.ownKeys(array), ['0', '1', '2', '3', 'length'])
  t.deepEqual(Object.getOwnPropertyNames(array), ['0', '1', '2', '3', 'length'])
  t.deepEqual(Object.getOwnPropertySymbols(array), [])
  t.deepEqual(Object.keys(array), ['0', '1', '2', '3'])
  t.deepEqual(Object.values(array), ['a', 'b', 'c', 'd'])
  t.deepEqual(Object.entries(array).slice(2), [['2', 'c'], ['3', 'd']])
  const listed: string[] = []
  for (const key in array) listed.push(key)
  t.deepEqual(listed, ['0', '1', '2', '3'])
})

twins('index keys stay in the order of numbers beyond ten', (t, make) => {
  const array = make.array(Array.from({ length: 120 }, (_, index) => index))
  t.deepEqual(Object.keys(array).map(Number), [...array])
})

twins('its properties are those of plain arrays', (t, make) => {
  const array = make.array(['a', undefined])
  const item = { writable: true, enumerable: true, configurable: true }
  t.deepEqual(Object.getOwnPropertyDescriptor(array, 0), { value: 'a', ...item })
  t.deepEqual(Object.getOwnPropertyDescriptor(array, '1'), { value: undefined, ...item })
  t.is(Object.getOwnPropertyDescriptor(array, 2), undefined)
  t.is(Object.getOwnPropertyDescriptor(array, 'push'), undefined)
  const length = { value: 2, writable: true, enumerable: false, configurable: false }
  t.deepEqual(Object.getOwnPropertyDescriptor(array, 'length'), length)
  array.push('c')
  t.deepEqual(Object.getOwnPropertyDescriptor(array, 'length'), { ...length, value: 3 })
  array.length = 1
  t.deepEqual(Object.getOwnPropertyDescriptor(array, 'length'), { ...length, value: 1 })
  t.deepEqual(Object.keys(Object.getOwnPropertyDescriptors(array)), ['0', 'length'])
})

twins('in and hasOwn know what is there', (t, make) => {
  const array = make.array(['a', undefined])
  const keys = [0, '0', 1, -0, 2, -1, 0.5, '00', '1.0', '-0', 'length', 'push', '4294967294', '4294967295', Symbol.iterator]
  t.deepEqual(keys.map((key) => key in array), [true, true, true, true, false, false, false, false, false, false, true, true, false, false, true])
  t.deepEqual(keys.filter((key) => Object.hasOwn(array, key)), [0, '0', 1, -0, 'length'])
})

twins('only array indexes are indexes', (t, make) => {
  const array = letters(make) as any
  t.deepEqual([array[0], array['3'], array[-0], array[1e0]], ['a', 'd', 'a', 'b'])
  for (const key of [-1, 4, 0.5, '00', '1.0', '-0', ' 1', '1 ', '', '0x1', '1e0', 2 ** 32 - 1, 2 ** 32, 2 ** 53, NaN, Infinity]) {
    t.is(array[key], undefined, String(key))
  }
})

// Assigning

twins('assigning to an index replaces, and to the length appends', (t, make) => {
  const array = make.array<any>(['a', 'b'])
  array[0] = 'A'
  array[2] = 'c'
  ;(array as any)['3'] = 'd'
  array[array.length] = 'e'
  array[-0] += '!'
  t.deepEqual([...array], ['A!', 'b', 'c', 'd', 'e'])
  t.is(array.length, 5)
  const first = make.array()
  first[0] = 1
  t.deepEqual([...first], [1])
})

twins('operators that assign do what they do', (t, make) => {
  const array = make.array<any>([1, null, 'x', 5])
  array[0] += 1
  array[0] **= 3
  array[1] ??= 'filled'
  array[2] ||= 'not'
  t.is(array[3]++, 5)
  t.is(--array[3], 5)
  array[4] ??= 'appended'
  ;[array[0], array[2]] = [array[2], array[0]]
  t.deepEqual([...array], ['x', 'filled', 8, 5, 'appended'])
})

twins('undefined and null are items', (t, make) => {
  const array = make.array<any>([undefined, null])
  array.push(undefined)
  array[3] = undefined
  t.is(array.length, 4)
  t.deepEqual([...array], [undefined, null, undefined, undefined])
  t.true(3 in array)
})

twins('Reflect sets and gets as assignments do', (t, make) => {
  const array = make.array(['a'])
  t.true(Reflect.set(array, '0', 'A'))
  t.true(Reflect.set(array, 1, 'b'))
  t.true(Reflect.set(array, 'length', 2))
  t.is(Reflect.get(array, '1'), 'b')
  t.true(Reflect.has(array, '1'))
  t.false(Reflect.has(array, '2'))
  t.deepEqual([...array], ['A', 'b'])
})

twins('an object that inherits from an array assigns to itself', (t, make) => {
  const array = letters(make)
  const heir = Object.create(array)
  heir[0] = 'own'
  t.is(heir[0], 'own')
  t.is(heir[1], 'b')
  t.is(array[0], 'a')
  t.true(Object.hasOwn(heir, 0))
})

twins('defineProperty sets an item that stays writable, enumerable and configurable', (t, make) => {
  const array = letters(make)
  const item = { writable: true, enumerable: true, configurable: true }
  Object.defineProperty(array, 0, { value: 'A', ...item })
  Object.defineProperty(array, '1', { value: 'B' })
  Object.defineProperty(array, 2, { enumerable: true })
  Object.defineProperty(array, 4, { value: 'e', ...item })
  t.true(Reflect.defineProperty(array, 5, { value: 'f', ...item }))
  Object.defineProperties(array, { 6: { value: 'g', ...item }, 3: { value: 'D' } })
  t.deepEqual([...array], ['A', 'B', 'c', 'D', 'e', 'f', 'g'])
  t.deepEqual(Object.getOwnPropertyDescriptor(array, 1), { value: 'B', ...item })
  Object.defineProperty(array, 'length', { value: 2 })
  t.deepEqual([...array], ['A', 'B'])
})

// The length

twins('a smaller length drops what is behind it', (t, make) => {
  const array = letters(make)
  array.length = 4
  t.is(array.length, 4)
  array.length = 2
  t.deepEqual([...array], ['a', 'b'])
  t.is(array[2], undefined)
  t.false(2 in array)
  array[2] = 'C'
  t.deepEqual([...array], ['a', 'b', 'C'])
  array.length -= 1
  array.length = 0
  t.deepEqual([...array], [])
  array.push('x')
  t.deepEqual([...array], ['x'])
})

for (const [length, expected] of [['2', 2], [true, 1], [null, 0], ['', 0], [[1], 1], [-0, 0], [{ valueOf: () => 3 }, 3]] as any[]) {
  twins(`a length may be ${typeof length} ${JSON.stringify(length)}`, (t, make) => {
    const array = letters(make)
    array.length = length
    t.is(array.length, expected)
    t.is([...array].length, expected)
  })
}

for (const length of [-1, 1.5, NaN, undefined, 'x', 2 ** 32, Infinity, -Infinity, {}] as any[]) {
  twins(`a length is not ${typeof length} ${String(length)}`, (t, make) => {
    const array = letters(make)
    t.throws(() => (array.length = length), { instanceOf: RangeError })
    t.is(array.length, 4)
  })
}

twins('a length that cannot become a number is a TypeError', (t, make) => {
  const array = letters(make)
  for (const length of [Symbol('s'), 1n] as any[]) t.throws(() => (array.length = length), { instanceOf: TypeError })
  t.is(array.length, 4)
})

twins('the length cannot be deleted or made something else', (t, make) => {
  const array = letters(make)
  t.throws(() => delete (array as any).length, { instanceOf: TypeError })
  t.throws(() => Object.defineProperty(array, 'length', { get: () => 1 }), { instanceOf: TypeError })
  t.throws(() => Object.defineProperty(array, 'length', { enumerable: true }), { instanceOf: TypeError })
  t.is(array.length, 4)
})

// Both ends

twins('push appends, and gives the length', (t, make) => {
  const array = make.array<any>()
  t.is(array.push(), 0)
  t.is(array.push('a'), 1)
  t.is(array.push('b', undefined, 'c'), 4)
  t.is(array.push(...array), 8)
  t.deepEqual([...array], ['a', 'b', undefined, 'c', 'a', 'b', undefined, 'c'])
})

twins('unshift puts before, in the order given', (t, make) => {
  const array = make.array<any>()
  t.is(array.unshift(), 0)
  t.is(array.unshift('c'), 1)
  t.is(array.unshift('a', 'b'), 3)
  t.is(array.unshift(...array), 6)
  t.deepEqual([...array], ['a', 'b', 'c', 'a', 'b', 'c'])
})

twins('pop and shift take from the ends', (t, make) => {
  const array = letters(make)
  t.is(array.pop(), 'd')
  t.is(array.shift(), 'a')
  t.is(array.shift(), 'b')
  t.deepEqual([...array], ['c'])
  t.is(array.pop(), 'c')
  t.is(array.pop(), undefined)
  t.is(array.shift(), undefined)
  t.is(array.length, 0)
  array.unshift('z')
  t.deepEqual([array[0], array.length], ['z', 1])
})

twins('a queue runs through an array for long', (t, make) => {
  const array = make.array<number>()
  for (let turn = 0; turn < 400; turn += 1) {
    array.push(turn, -turn)
    if (turn % 3 === 0) array.unshift(turn)
    make.note(array.shift())
  }
  t.is(array.length, 534)
  while (array.length > 5) array.shift()
  t.deepEqual([...array], [-397, 398, -398, 399, -399])
})

// Methods whose arguments are places

/** What ToIntegerOrInfinity makes something of, or refuses. */
const places: unknown[] = [
  undefined,
  null,
  0,
  -0,
  1,
  3,
  4,
  5,
  -1,
  -4,
  -5,
  1.9,
  -1.9,
  -0.9,
  NaN,
  Infinity,
  -Infinity,
  2 ** 32,
  -(2 ** 53),
  '2',
  '-2',
  'x',
  true,
  [1],
  { valueOf: () => 2 },
]
const refused: unknown[] = [1n, Symbol('s'), { valueOf: () => 1n }]
const most = [undefined, 0, 1, 3, 4, 9, -1, -3, -9, 1.9, NaN, Infinity, -Infinity, '2', 1n]

/** Calls a method of an array of its own; what comes of it. */
function called(make: Make, values: readonly unknown[], method: string, args: readonly unknown[]): unknown {
  const array = make.array(values) as any
  const result = outcome(() => array[method](...args))
  return [result === array ? 'itself' : Array.isArray(result) ? [...result] : result, array.length, [...array]]
}

const tables: [method: string, what: string, lists: readonly (readonly unknown[])[]][] = [
  ['at', 'any place', [[], ...[...places, ...refused].map((at) => [at])]],
  ['with', 'any place', [[], ...[...places, ...refused].map((at) => [at, 'new'])]],
  ['slice', 'any start', [[], ...[...places, ...refused].map((start) => [start])]],
  ['slice', 'any start and end', most.flatMap((start) => most.map((end) => [start, end]))],
  ['splice', 'any start', [[], ...[...places, ...refused].map((start) => [start])]],
  ['splice', 'any start and count', most.flatMap((start) => most.map((count) => [start, count]))],
  ['splice', 'any start, count and items', most.flatMap((start) => most.map((count) => [start, count, 'x', 'y', 'z']))],
  ['splice', 'as many items as go', most.flatMap((start) => [[start, 2, 'x', 'y'], [start, 1, undefined]])],
  ['toSpliced', 'any start', [[], ...[...places, ...refused].map((start) => [start])]],
  ['toSpliced', 'any start, count and items', most.flatMap((start) => most.map((count) => [start, count, 'x', 'y', 'z']))],
  ['fill', 'any start', [[], ['v'], ...[...places, ...refused].map((start) => ['v', start])]],
  ['fill', 'any start and end', most.flatMap((start) => most.map((end) => ['v', start, end]))],
  ['copyWithin', 'any target', [[], ...[...places, ...refused].map((target) => [target])]],
  ['copyWithin', 'any target and start', most.flatMap((target) => most.map((start) => [target, start]))],
  [
    'copyWithin',
    'any target, start and end',
    [0, 1, 3, -2].flatMap((target) => [0, 1, -2].flatMap((start) => most.map((end) => [target, start, end]))),
  ],
  ['includes', 'any start', [...places, ...refused].flatMap((start) => [['b', start], ['d', start], ['x', start]])],
  ['indexOf', 'any start', [...places, ...refused].flatMap((start) => [['b', start], ['d', start], ['x', start]])],
  ['lastIndexOf', 'any start', [['b'], ...[...places, ...refused].flatMap((start) => [['b', start], ['a', start], ['x', start]])]],
  ['join', 'any separator', [[], [undefined], [null], [''], ['-'], ['--'], [1], [{}], [Symbol('s')]]],
]

for (const [method, what, lists] of tables) {
  alike(`${method} takes ${what}`, (make) => lists.map((args) => called(make, ['a', 'b', 'c', 'b'], method, args)))
  alike(`${method} takes ${what} of an empty array`, (make) => lists.slice(0, 60).map((args) => called(make, [], method, args)))
}

twins('splice takes out, puts in, and gives what it took', (t, make) => {
  const array = letters(make)
  t.deepEqual(array.splice(1, 2), ['b', 'c'])
  t.deepEqual([...array], ['a', 'd'])
  t.deepEqual(array.splice(1, 0, 'x', 'y'), [])
  t.deepEqual([...array], ['a', 'x', 'y', 'd'])
  t.deepEqual(array.splice(-2, 1, 'z', 'w'), ['y'])
  t.deepEqual(array.splice(0), ['a', 'x', 'z', 'w', 'd'])
  t.is(array.length, 0)
})

twins('splice without arguments does nothing, and with undefined as its count takes nothing', (t, make) => {
  const array = letters(make) as any
  t.deepEqual(array.splice(), [])
  t.deepEqual(array.splice(1, undefined), [])
  t.deepEqual([...array], ['a', 'b', 'c', 'd'])
  t.deepEqual(array.splice(undefined), ['a', 'b', 'c', 'd'])
})

twins('splice converts its arguments before it takes anything', (t, make) => {
  const array = letters(make)
  const asked: string[] = []
  const number = (name: string, value: number) => ({ valueOf: () => (asked.push(name), value) }) as any
  t.deepEqual(array.splice(number('start', 1), number('count', 1), 'x'), ['b'])
  t.deepEqual(asked, ['start', 'count'])
  const failing = { valueOf: () => { throw new RangeError('no') } } as any
  t.throws(() => array.splice(0, failing), { instanceOf: RangeError, message: 'no' })
  t.deepEqual([...array], ['a', 'x', 'c', 'd'])
})

alike('splice moves either side of a long array', (make) =>
  [0, 1, 10, 499, 500, 501, 990, 999, 1000].flatMap((start) =>
    [0, 1, 7, 400].map((count) => {
      const array = make.array(Array.from({ length: 1000 }, (_, index) => index))
      const taken = array.splice(start, count, -1, -2, -3)
      return [taken.join(), array.length, array.join()]
    }),
  ))

// Searching

twins('includes finds NaN and a zero of either sign, indexOf only the zero', (t, make) => {
  const array = make.array<any>([NaN, -0, undefined, null, '1', 1n])
  t.deepEqual([NaN, 0, -0, undefined, null, '1', 1, 1n, 'x'].map((value) => array.includes(value)), [
    true,
    true,
    true,
    true,
    true,
    true,
    false,
    true,
    false,
  ])
  t.deepEqual([NaN, 0, undefined, null, '1', 1, 1n].map((value) => array.indexOf(value)), [-1, 1, 2, 3, 4, -1, 5])
  t.deepEqual([NaN, 0, null].map((value) => array.lastIndexOf(value)), [-1, 1, 3])
  t.true(Object.is(array[1], -0))
})

twins('containers are found by identity', (t, make) => {
  const [first, second] = [make.object({ a: 1 }), make.object({ a: 1 })]
  const array = make.array<any>([first, 'x', first])
  t.true(array.includes(first))
  t.false(array.includes(second))
  t.deepEqual([array.indexOf(first), array.lastIndexOf(first), array.indexOf(second)], [0, 2, -1])
  t.is(array[0], first)
  t.is(array[0], array[2])
  t.is(array.find((item) => item === first), first)
  t.is(array.at(-1), first)
  array[0].a = 5
  t.is(array[2].a, 5)
  t.is(array.pop(), first)
  t.is(array.splice(0, 1)[0], first)
  array.push(array)
  t.is(array[1], array)
  t.true(array.includes(array))
})

// Methods that call a function

const visiting = ['forEach', 'map', 'filter', 'find', 'findIndex', 'findLast', 'findLastIndex', 'some', 'every', 'flatMap'] as const

function visited(array: any, method: (typeof visiting)[number], visit: (...args: any[]) => unknown, self?: unknown): unknown {
  return array[method](visit, self)
}

for (const method of visiting) {
  twins(`${method} gives its function an item, its index and the array`, (t, make) => {
    const array = letters(make)
    const self = {}
    const found: unknown[][] = []
    const visit = function (this: unknown, ...args: unknown[]): any {
      t.is(this, self)
      t.is(args.length, 3)
      t.is(args[2], array)
      found.push(args.slice(0, 2))
      return method === 'every'
    }
    visited(array, method, visit, self)
    const order = [['a', 0], ['b', 1], ['c', 2], ['d', 3]]
    t.deepEqual(found, method.startsWith('findLast') ? order.toReversed() : order)
  })

  twins(`${method} wants a function, also of an empty array`, (t, make) => {
    for (const visit of [undefined, null, 1, 'f', {}] as any[]) {
      t.throws(() => visited(make.array(), method, visit), { instanceOf: TypeError })
      t.throws(() => visited(letters(make), method, visit), { instanceOf: TypeError })
    }
  })

  twins(`${method} ends with what its function throws`, (t, make) => {
    const array = letters(make)
    let count = 0
    const failing = (): any => {
      if ((count += 1) === 2) throw new RangeError('enough')
      array.push('x')
      return method === 'every'
    }
    t.throws(() => visited(array, method, failing), { instanceOf: RangeError, message: 'enough' })
    t.is(array.length, 5)
  })

  twins(`${method} does not come to what its function appends`, (t, make) => {
    const array = letters(make)
    const found: unknown[] = []
    visited(array, method, (item: string): any => {
      found.push(item)
      array.push(`${item}'`)
      return method === 'every'
    })
    t.is(found.length, 4)
    t.is(array.length, 8)
  })

  twins(`${method} sees what its function replaces and removes`, (t, make) => {
    const array = letters(make)
    const found: unknown[] = []
    visited(array, method, (item: string): any => {
      found.push(item)
      if (found.length === 1) {
        array.length = 3
        array[1] = 'B'
      }
      return method === 'every'
    })
    const isFinding = method.startsWith('find')
    const order = method.startsWith('findLast') ? ['d', 'c', 'B', 'a'] : ['a', 'B', 'c']
    t.deepEqual(found, isFinding && order.length === 3 ? [...order, undefined] : order)
  })
}

twins('what functions answer decides', (t, make) => {
  const array = make.array([5, 12, 8, 130, 44])
  const isLarge = (value: number) => value > 10
  t.deepEqual(array.filter(isLarge), [12, 130, 44])
  t.deepEqual(array.map((value, index) => value * index), [0, 12, 16, 390, 176])
  t.deepEqual([array.find(isLarge), array.findIndex(isLarge), array.findLast(isLarge), array.findLastIndex(isLarge)], [12, 1, 44, 4])
  const never = () => false
  t.deepEqual([array.find(never), array.findIndex(never), array.findLast(never), array.findLastIndex(never)], [undefined, -1, undefined, -1])
  t.deepEqual([array.some(isLarge), array.some(never), array.every(isLarge), array.every((value) => value > 1)], [true, false, false, true])
  t.deepEqual([make.array().some(() => true), make.array().every(never)], [false, true])
  t.deepEqual(array.flatMap((value) => (isLarge(value) ? [value, [value]] : [])), [12, [12], 130, [130], 44, [44]])
  t.is(array.forEach(() => 1), undefined)
  t.deepEqual(array.filter((() => 'truthy') as any).length, 5)
})

twins('some and every stop at the answer', (t, make) => {
  const array = letters(make)
  let count = 0
  array.some((item) => ((count += 1), item === 'b'))
  array.every((item) => ((count += 1), item !== 'c'))
  array.find((item) => ((count += 1), item === 'a'))
  t.is(count, 2 + 3 + 1)
})

twins('reduce goes up and reduceRight down, from a value or from the first item', (t, make) => {
  const array = letters(make)
  const seen: unknown[] = []
  const join = (all: string, item: string, index: number, over: string[]) => (t.is(over, array), seen.push(index), all + item)
  t.is(array.reduce(join), 'abcd')
  t.is(array.reduceRight(join), 'dcba')
  t.is(array.reduce(join, '>'), '>abcd')
  t.is(array.reduceRight(join, '>'), '>dcba')
  t.deepEqual(seen, [1, 2, 3, 2, 1, 0, 0, 1, 2, 3, 3, 2, 1, 0])
  t.is(make.array<string>(['x']).reduce(() => 'not called'), 'x')
  t.is(make.array<any>(['x']).reduce((all, item) => `${all}${item}`, undefined), 'undefinedx')
  const empty = make.array<string>()
  t.is(empty.reduce(join, 'start'), 'start')
  t.throws(() => empty.reduce(join), { instanceOf: TypeError })
  t.throws(() => empty.reduceRight(join), { instanceOf: TypeError })
  for (const bad of [undefined, null, {}] as any[]) {
    t.throws(() => array.reduce(bad), { instanceOf: TypeError })
    t.throws(() => array.reduceRight(bad, ''), { instanceOf: TypeError })
  }
})

twins('reduce sees what its function removes and does not come to what it appends', (t, make) => {
  const array = letters(make)
  const found: string[] = []
  array.reduce((_, item, index) => {
    found.push(item)
    if (index === 1) array.length = 3
    array.push(`${index}`)
    return item
  }, '')
  t.deepEqual(found, ['a', 'b', 'c', '1'])
})

// Sorting

twins('sort goes by strings, with undefined last, and gives the array', (t, make) => {
  const array = make.array<any>([3, 20, 100, undefined, 'b', null, 'B', -1, undefined, true, 10n])
  t.is(array.sort(), array)
  t.deepEqual([...array], [-1, 10n, 100, 20, 3, 'B', 'b', null, true, undefined, undefined])
})

twins('strings sort by their UTF-16 units', (t, make) => {
  const array = make.array(['\u{1f600}', '\uffff', 'ä', 'z', 'Z', '', '\0', '\ud800'])
  array.sort()
  t.deepEqual([...array], ['', '\0', 'Z', 'z', 'ä', '\ud800', '\u{1f600}', '\uffff'])
})

twins('sort goes by a function, which never sees undefined', (t, make) => {
  const array = make.array<any>([3, undefined, 1, 2, undefined])
  array.sort((a, b) => {
    t.not(a, undefined)
    t.not(b, undefined)
    return b - a
  })
  t.deepEqual([...array], [3, 2, 1, undefined, undefined])
  array.sort(undefined)
  t.deepEqual([...array], [1, 2, 3, undefined, undefined])
})

twins('sort is stable', (t, make) => {
  const array = make.array(Array.from({ length: 600 }, (_, index) => `${index % 7}:${String(index).padStart(3, '0')}`))
  array.sort((a, b) => a.charCodeAt(0) - b.charCodeAt(0))
  t.deepEqual([...array], [...array].toSorted())
})

twins('sort takes what its function gives as a number', (t, make) => {
  const array = make.array([2, 3, 1])
  array.sort((a, b) => String(b - a) as any)
  t.deepEqual([...array], [3, 2, 1])
  array.sort((() => undefined) as any)
  array.sort(() => NaN)
  array.sort(() => -0)
  t.deepEqual([...array], [3, 2, 1])
  t.throws(() => array.sort((() => 1n) as any), { instanceOf: TypeError })
  t.deepEqual([...array], [3, 2, 1])
})

twins('sort refuses what is no function, whatever there is to sort', (t, make) => {
  for (const compare of [null, 1, 'f', {}, [], Symbol('s')] as any[]) {
    for (const array of [make.array(), make.array([2, 1])]) {
      t.throws(() => array.sort(compare), { instanceOf: TypeError })
      t.throws(() => array.toSorted(compare), { instanceOf: TypeError })
    }
  }
})

twins('sort changes nothing when its function throws', (t, make) => {
  const array = make.array(Array.from({ length: 100 }, (_, index) => 100 - index))
  const before = [...array]
  let count = 0
  const failing = (a: number, b: number) => {
    if ((count += 1) === 50) throw new RangeError('enough')
    return a - b
  }
  t.throws(() => array.sort(failing), { instanceOf: RangeError, message: 'enough' })
  t.deepEqual([...array], before)
})

twins('what a comparison changed elsewhere stays when it throws', (t, make) => {
  const [array, count] = [make.array([3, 1, 2]), make.object({ comparisons: 0 })]
  const failing = () => {
    count.comparisons += 1
    throw new RangeError('enough')
  }
  t.throws(() => array.sort(failing), { instanceOf: RangeError })
  t.is(count.comparisons, 1)
  t.deepEqual([...array], [3, 1, 2])
})

twins('sort writes over what its function changes, and keeps what it appends', (t, make) => {
  const array = make.array([3, 1, 2])
  let isFirst = true
  array.sort((a, b) => {
    if (isFirst) {
      array[0] = 100
      array.push(99)
    }
    isFirst = false
    return a - b
  })
  t.deepEqual([...array], [1, 2, 3, 99])
})

twins('sort writes back what its function drops', (t, make) => {
  const array = make.array([3, 1, 2])
  array.sort((a, b) => {
    array.length = 0
    return a - b
  })
  t.deepEqual([...array], [1, 2, 3])
})

twins('sort moves containers as they are', (t, make) => {
  const [one, two] = [make.object({ n: 1 }), make.object({ n: 2 })]
  const array = make.array([two, one])
  array.sort((a, b) => a['n'] - b['n'])
  t.is(array[0], one)
  t.is(array[1], two)
})

twins('reverse turns an array round and gives it', (t, make) => {
  for (const values of [[], ['a'], ['a', 'b'], ['a', 'b', 'c']]) {
    const array = make.array(values)
    t.is(Reflect.apply(array.reverse, array, []), array)
    t.deepEqual([...array], values.toReversed())
  }
})

// Copies

twins('toSorted, toReversed, toSpliced and with give new arrays and change nothing', (t, make) => {
  const array = make.array(['c', 'a', 'b'])
  t.deepEqual(array.toSorted(), ['a', 'b', 'c'])
  t.deepEqual(array.toSorted((a, b) => (a < b ? 1 : -1)), ['c', 'b', 'a'])
  t.deepEqual(array.toReversed(), ['b', 'a', 'c'])
  t.deepEqual(array.toSpliced(1, 1, 'x', 'y'), ['c', 'x', 'y', 'b'])
  t.deepEqual(array.with(1, 'z'), ['c', 'z', 'b'])
  for (const index of [3, -4, Infinity]) t.throws(() => array.with(index, 'z'), { instanceOf: RangeError })
  t.deepEqual([...array], ['c', 'a', 'b'])
})

twins('slice, filter, map and concat give new arrays', (t, make) => {
  const array = letters(make)
  const copies = [array.slice(), array.filter(() => true), array.map((item) => item), array.concat(), array.flat(), array.toSpliced(0, 0)]
  for (const copy of copies) {
    t.not(copy, array)
    t.true(Array.isArray(copy))
    t.deepEqual(copy, ['a', 'b', 'c', 'd'])
    copy.length = 0
    copy[5] = 'a gap'
  }
  t.is(array.length, 4)
})

twins('flat takes nested arrays apart, as deep as it is told', (t, make) => {
  const inner = make.array<any>([3, make.array([4, make.array([5])])])
  const array = make.array<any>([1, make.array(), make.array([2]), inner])
  t.is(array.flat(0).length, 4)
  t.deepEqual(array.flat().slice(0, 3), [1, 2, 3])
  t.is(array.flat()[3], inner[1])
  t.deepEqual(array.flat(Infinity), [1, 2, 3, 4, 5])
  t.deepEqual((array.flat as any)('2').length, 5)
  t.deepEqual([0, array].flat(Infinity), [0, 1, 2, 3, 4, 5])
  t.throws(() => array.flat(Symbol('s') as any), { instanceOf: TypeError })
  t.deepEqual(array.flatMap((item) => item).slice(0, 3), [1, 2, 3])
  t.is(make.array([1]).flatMap(() => array).length, 4)
})

twins('concat spreads arrays and what says that it is spreadable', (t, make) => {
  const array = make.array<any>(['a'])
  const other = make.array(['b', 'c'])
  t.deepEqual(array.concat('x', ['y', ['z']], undefined), ['a', 'x', 'y', ['z'], undefined])
  t.deepEqual(array.concat(other), ['a', 'b', 'c'])
  t.deepEqual(([0] as unknown[]).concat(array, other), [0, 'a', 'b', 'c'])
  t.deepEqual(array.concat(array, array), ['a', 'a', 'a'])
  const like = { length: 3, 0: 'x', 2: 'z', [Symbol.isConcatSpreadable]: true } as any
  const spread = array.concat(like)
  t.is(spread.length, 4)
  t.false(2 in spread)
  const kept = Object.assign(['k'], { [Symbol.isConcatSpreadable]: false })
  t.is(array.concat(kept)[1], kept)
  t.deepEqual([...array], ['a'])
})

twins('an array is joined as a text', (t, make) => {
  const array = make.array<any>([1, null, undefined, 'x', make.array([2, make.array([3, null])]), true, 4n])
  t.is(array.join(), '1,,,x,2,3,,true,4')
  t.is(array.join(undefined), array.join(','))
  t.is(array.join(''), '1x2,3,true4')
  t.is(String(array), array.join())
  t.is(`${array}`, array.toString())
  t.is(make.array().join('-'), '')
  t.is(make.array([1234.5, null]).toLocaleString('en'), '1,234.5,')
  array.push(array)
  t.is(array.join(), '1,,,x,2,3,,true,4,')
})

// Iterating

twins('iterators give items, indexes and entries', (t, make) => {
  const array = make.array(['a', undefined])
  t.deepEqual([...array.values()], ['a', undefined])
  t.deepEqual([...array.keys()], [0, 1])
  t.deepEqual([...array.entries()], [[0, 'a'], [1, undefined]])
  t.is(array[Symbol.iterator], array.values)
  const iterator = array.values()
  t.is(iterator[Symbol.iterator](), iterator)
})

twins('an iterator comes to what is appended, and ends where the array ends then', (t, make) => {
  const array = make.array([0])
  const found: number[] = []
  for (const item of array) {
    found.push(item)
    if (item < 100) array.push(item + 1)
  }
  t.is(found.length, 101)
  const iterator = array.values()
  iterator.next()
  array.length = 1
  t.true(iterator.next().done)
  array.push(7, 8)
  t.true(iterator.next().done)
})

twins('an iterator goes by index, whatever is put in or taken out before it', (t, make) => {
  const array = letters(make)
  const iterator = array.values()
  t.is(iterator.next().value, 'a')
  array.shift()
  t.is(iterator.next().value, 'c')
  array.unshift('x', 'y')
  t.is(iterator.next().value, 'b')
  t.deepEqual([...iterator], ['c', 'd'])
})

twins('an iterator far into a long array sees what is replaced and moved before it', (t, make) => {
  const array = make.array(Array.from({ length: 700 }, (_, index) => index))
  const found: number[] = []
  for (const item of array) {
    found.push(item)
    if (item === 300) array[310] = -310
    if (item === 350) array.splice(360, 5)
    if (item === 400) array.push(700)
    if (item === 500) array.length = 600
  }
  const expected = Array.from({ length: 605 }, (_, index) => (index === 310 ? -310 : index))
  expected.splice(360, 5)
  t.deepEqual(found, expected)
})

twins('an iterator goes on after a loop that was left', (t, make) => {
  const iterator = letters(make).values()
  for (const item of iterator) if (item === 'b') break
  t.deepEqual([...iterator], ['c', 'd'])
})

// With the rest of the language

twins('an array goes where arrays go', (t, make) => {
  const array = letters(make)
  const [first, , third, ...rest] = array
  const [, , , , fifth = 'default'] = array
  t.deepEqual([first, third, rest, fifth], ['a', 'c', ['d'], 'default'])
  const { length, 0: zero, ...others } = array as any
  t.deepEqual([length, zero, others], [4, 'a', { 1: 'b', 2: 'c', 3: 'd' }])
  t.deepEqual([...array, ...array].length, 8)
  t.deepEqual({ ...array }, { 0: 'a', 1: 'b', 2: 'c', 3: 'd' } as any)
  t.deepEqual(Object.assign([], array), ['a', 'b', 'c', 'd'])
  t.is(Math.max(...make.array([1, 5, 3])), 5)
  t.is(Math.max.apply(null, make.array([1, 5, 3])), 5)
  t.is(String.fromCharCode.apply(null, make.array([72, 105])), 'Hi')
  t.deepEqual(Array.from(array), ['a', 'b', 'c', 'd'])
  t.deepEqual(Array.from(array, (item, index) => item + index), ['a0', 'b1', 'c2', 'd3'])
  t.is(new Set(array).size, 4)
  t.deepEqual([...new Uint8Array(make.array([1, 2, 300]))], [1, 2, 44])
})

twins('Object.assign writes into an array', (t, make) => {
  const array = letters(make)
  t.is(Object.assign(array, ['A', 'B'], { 4: 'e' }) as unknown, array)
  t.deepEqual([...array], ['A', 'B', 'c', 'd', 'e'])
})

twins('JSON shows an array as it is', (t, make) => {
  const array = make.array<any>([1, 'x', null, undefined, NaN, -0, make.array([true]), make.object({ a: make.array() })])
  t.is(JSON.stringify(array), '[1,"x",null,null,null,0,[true],{"a":[]}]')
  t.is(JSON.stringify({ list: make.array() }), '{"list":[]}')
  t.is(JSON.stringify(make.array([1, 2]), null, 1), '[\n 1,\n 2\n]')
  t.is(JSON.stringify({ a: 1, b: 2, c: 3 }, make.array(['a', 'c'])), '{"a":1,"c":3}')
  t.throws(() => JSON.stringify(make.array([1n])), { instanceOf: TypeError })
  array.push(array)
  t.throws(() => JSON.stringify(array), { instanceOf: TypeError })
})

twins('generic methods of Array work on it', (t, make) => {
  const array = make.array<any>([3, 1, 2])
  const { prototype } = Array
  t.is(prototype.push.call(array, 4), 4)
  t.is(prototype.unshift.call(array, 0), 5)
  prototype.sort.call(array)
  prototype.reverse.call(array)
  prototype.fill.call(array, 9, 0, 1)
  prototype.copyWithin.call(array, 1, 2, 3)
  t.deepEqual(prototype.slice.call(array), [9, 2, 2, 1, 0])
  t.deepEqual(prototype.concat.call([], array), [9, 2, 2, 1, 0])
  t.is(prototype.indexOf.call(array, 1), 3)
  t.deepEqual([...prototype.values.call(array)], [9, 2, 2, 1, 0])
})

twins("its methods work on other arrays and on what is like one", (t, make) => {
  const array = letters(make)
  const like = { length: 2, 0: 'x', 1: 'y' } as any
  t.is(array.join.call(like, '-'), 'x-y')
  t.deepEqual(array.map.call(like, (item) => `${item}!`), ['x!', 'y!'])
  t.is(array.push.call(like, 'z'), 3)
  t.is(like[2], 'z')
  const other: string[] = []
  t.is(array.push.call(other, 'p', 'q'), 2)
  t.deepEqual(other, ['p', 'q'])
  t.deepEqual(array.slice.call('abc' as any, 1), ['b', 'c'])
  t.is(array.length, 4)
})

const groupBy = (Object as any).groupBy as ((items: Iterable<unknown>, key: (item: any) => unknown) => any) | undefined
const mapGroupBy = (Map as any).groupBy as typeof groupBy

if (groupBy && mapGroupBy) {
  twins('groupBy takes an array and gives plain arrays', (t, make) => {
    const array = make.array([1, 2, 3, 4])
    t.deepEqual({ ...groupBy(array, (item) => (item % 2 ? 'odd' : 'even')) }, { odd: [1, 3], even: [2, 4] })
    t.deepEqual([...mapGroupBy(array, (item) => item % 2 === 1)], [[true, [1, 3]], [false, [2, 4]]])
  })
}

twins('a long run of changes comes to the same', (t, make) => {
  const array = make.array<number>()
  let state = 777
  const random = (below: number) => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % below
  for (let step = 0; step < 2500; step += 1) {
    const { length } = array
    const choice = random(100)
    if (choice < 30) array.push(step)
    else if (choice < 40) array.unshift(step, -step)
    else if (choice < 50) make.note(array.pop())
    else if (choice < 60) make.note(array.shift())
    else if (choice < 75) make.note(array.splice(random(length + 1), random(4), ...Array.from({ length: random(5) }, () => step)).join())
    else if (choice < 85) array[random(length + 1)] = step
    else if (choice < 90) make.note(array.at(-1 - random(5)), array.indexOf(step - 3), array.length)
    else if (choice < 93) array.copyWithin(random(length + 1), random(length + 1), random(length + 1))
    else if (choice < 95) array.reverse()
    else if (choice < 97) array.fill(step, random(length + 1), random(length + 1))
    else if (choice < 98) array.sort((a, b) => (a % 100) - (b % 100))
    else if (choice < 99) make.note(array.join())
    else array.length = Math.floor(length * 0.9)
  }
  t.true(array.length > 10)
})

// Where persistent arrays differ: they have no gaps

plain('an array may have gaps', (t, make) => {
  const array = letters(make)
  delete array[1]
  array[6] = 'g'
  array.length = 9
  t.deepEqual(Object.keys(array), ['0', '2', '3', '6'])
})

persistent('what push cannot store is named by the place that it would have', (t, store) => {
  const array = store.array<any>([1, 2])
  t.throws(() => array.push(3, { f() {} }), { message: /\[3\]\.f: a function cannot be stored/ })
  t.deepEqual([...array], [1, 2])
})

persistent('a gap is a RangeError, and changes nothing', (t, store) => {
  const array = store.array(['a', 'b', 'c']) as any
  const item = { value: 'x', writable: true, enumerable: true, configurable: true }
  for (const index of [4, '4', 100, 2 ** 32 - 2]) {
    t.throws(() => (array[index] = 'x'), { instanceOf: RangeError }, String(index))
    t.throws(() => Object.defineProperty(array, index, item), { instanceOf: RangeError }, String(index))
  }
  t.throws(() => Object.assign(array, { 5: 'x' }), { instanceOf: RangeError })
  t.deepEqual([...array], ['a', 'b', 'c'])
})

persistent('a length beyond the items is a RangeError', (t, store) => {
  const array = store.array(['a', 'b', 'c'])
  for (const length of [4, 2 ** 32 - 1]) {
    t.throws(() => (array.length = length), { instanceOf: RangeError })
    t.throws(() => Object.defineProperty(array, 'length', { value: length }), { instanceOf: RangeError })
  }
  t.is(array.length, 3)
  t.deepEqual([...array], ['a', 'b', 'c'])
})

persistent('deleting an item is a RangeError', (t, store) => {
  const array = store.array(['a', 'b', 'c'])
  for (const index of [0, 1, 2]) t.throws(() => delete array[index], { instanceOf: RangeError })
  t.deepEqual([...array], ['a', 'b', 'c'])
})

persistent('a key that is no index is refused', (t, store) => {
  const array = store.array(['a']) as any
  for (const key of [-1, 0.5, '00', 'name', 2 ** 32 - 1, 2 ** 40, Symbol('s'), Symbol.isConcatSpreadable, 'push']) {
    t.throws(() => (array[key] = 1), undefined, String(key))
    t.false(Object.hasOwn(array, key))
  }
  t.deepEqual(Reflect.ownKeys(array), ['0', 'length'])
  t.is(typeof array.push, 'function')
})

persistent('a plain array with a gap is refused, unless it is iterated', (t, store) => {
  const gaps = ['a', 'b', 'c']
  delete gaps[1]
  t.throws(() => store.root.set('gaps', gaps), { code: 'ERR_PMEM_UNCLONEABLE', message: /a gap cannot be stored/ })
  t.throws(() => store.root.set('deep', { gaps }), { code: 'ERR_PMEM_UNCLONEABLE' })
  t.is(store.root.size, 0)
  t.deepEqual(Object.entries(store.array(gaps)), [['0', 'a'], ['1', undefined], ['2', 'c']])
})

persistent('items that are not writable, enumerable and configurable are refused', (t, store) => {
  const array = store.array(['a'])
  const item = { value: 'x', writable: true, enumerable: true, configurable: true }
  for (const name of ['writable', 'enumerable', 'configurable'] as const) {
    t.throws(() => Object.defineProperty(array, 0, { ...item, [name]: false }), { instanceOf: TypeError }, name)
    t.throws(() => Object.defineProperty(array, 1, { ...item, [name]: false }), { instanceOf: TypeError }, name)
  }
  t.throws(() => Object.defineProperty(array, 1, { value: 'x' }), { instanceOf: TypeError })
  t.throws(() => Object.defineProperty(array, 0, { get: () => 'x' }), { instanceOf: TypeError })
  t.throws(() => Object.defineProperty(array, 'length', { writable: false }), { instanceOf: TypeError })
  t.deepEqual([...array], ['a'])
})

persistent('an array cannot be frozen, sealed, closed or given another prototype', (t, store) => {
  const array = store.array(['a'])
  for (const change of [Object.freeze, Object.seal, Object.preventExtensions]) {
    t.throws(() => change(array), { instanceOf: TypeError }, change.name)
  }
  t.throws(() => Object.setPrototypeOf(array, null), { instanceOf: TypeError })
  t.throws(() => Object.setPrototypeOf(array, {}), { instanceOf: TypeError })
  array.push('b')
  t.deepEqual([...array], ['a', 'b'])
  t.is(Object.getPrototypeOf(array), Array.prototype)
})

persistent('what its methods give is plain, with the live containers in it', (t, store) => {
  const inner = store.object({ a: 1 })
  const array = store.array<any>([inner, store.array([inner])])
  const results = [
    array.slice(),
    array.filter(() => true),
    array.map((item) => item),
    array.concat(array),
    array.flat(),
    array.flatMap((item) => [item]),
    array.toSorted(() => 0),
    array.toReversed().toReversed(),
    array.toSpliced(1, 1),
    array.with(1, 0),
  ]
  for (const [index, result] of results.entries()) {
    t.false(objects.isPersistent(result), String(index))
    t.is(result[0], inner)
  }
  const taken = array.splice(0, 1)
  t.false(objects.isPersistent(taken))
  t.is(taken[0], inner)
})

persistent('a value that cannot be stored changes nothing, whichever method brings it', (t, store) => {
  const array = store.array<any>(['a', 'b'])
  const bad = () => 1
  const changes: (() => unknown)[] = [
    () => array.push('x', bad),
    () => array.unshift('x', bad),
    () => array.splice(0, 1, 'x', bad),
    () => array.fill(bad),
    () => (array[0] = bad),
    () => (array[2] = bad),
    () => array.push({ deep: [bad] }),
    () => store.array(['x', bad]),
  ]
  for (const change of changes) {
    t.throws(change, { code: 'ERR_PMEM_UNCLONEABLE' }, String(change))
    t.deepEqual([...array], ['a', 'b'], String(change))
  }
})

persistent('an argument that makes the array shorter while it is converted loses no item that is put in', (t, store) => {
  const array = store.array(['a', 'b', 'c'])
  const shortening = { valueOf: () => ((array.length = 0), 1) } as any
  array.splice(shortening, 0, 'x')
  t.true(array.includes('x'))
})

persistent('plain items are copied in, and live when they are read', (t, store) => {
  const array = store.array<any>()
  const item = { tags: ['x'] }
  array.push(item)
  array.unshift(item)
  t.not(array[0], item)
  t.is(array[0], array[0])
  t.true(objects.isPersistent(array[0].tags))
  item.tags.push('later')
  t.is(array[0].tags.length, 1)
  array[0].tags.push('y')
  t.deepEqual([...array[0].tags], ['x', 'y'])
  t.deepEqual([...array[1].tags], ['x'])
  t.false(array.includes(item))
})
