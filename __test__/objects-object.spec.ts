/** Plain objects after ECMA-262's steps (10.1, 20.1): ordinary ones and their persistent twins. */

import assert from 'node:assert'
import { formOf } from './helpers/forms.js'
import { type Make, objects, persistent, plain, twins } from './helpers/objects.js'

const data = { writable: true, enumerable: true, configurable: true }

const abc = (make: Make) => make.object<Record<string, any>>({ a: 1, b: 2, c: 3 })

// Making one

twins('an object has the fields that it is made with', (t, make) => {
  const object = make.object<Record<string, any>>({ a: 1, b: 'x', c: null, d: undefined })
  t.deepEqual([object['a'], object['b'], object['c'], object['d'], object['e']], [1, 'x', null, undefined, undefined])
  t.deepEqual(Object.keys(object), ['a', 'b', 'c', 'd'])
  t.deepEqual(Object.keys(make.object()), [])
  t.deepEqual(Object.keys(make.object({})), [])
})

twins('an object from an object is another one', (t, make) => {
  const first = abc(make)
  const second = make.object({ ...first })
  first['a'] = 10
  delete second['b']
  t.deepEqual(Object.entries(first), [['a', 10], ['b', 2], ['c', 3]])
  t.deepEqual(Object.entries(second), [['a', 1], ['c', 3]])
})

twins('an object is an ordinary object for the language', (t, make) => {
  const object = abc(make)
  t.is(Object.getPrototypeOf(object), Object.prototype)
  t.is(object.constructor, Object)
  t.is(typeof object, 'object')
  t.false(Array.isArray(object))
  t.is(Object.prototype.toString.call(object), '[object Object]')
  t.is(`${object as any}`, '[object Object]')
  t.is(object.toString(), '[object Object]')
  t.is(object.valueOf(), object)
  t.true(Object.isExtensible(object))
  t.false(Object.isFrozen(object) || Object.isSealed(object))
})

// OrdinaryOwnPropertyKeys

twins('keys are in the order of their insertion', (t, make) => {
  const object = make.object<Record<string, any>>({ z: 1, a: 2 })
  object['m'] = 3
  object['b'] = 4
  object['z'] = 10
  t.deepEqual(Object.keys(object), ['z', 'a', 'm', 'b'])
  t.deepEqual(Object.values(object), [10, 2, 3, 4])
})

twins('array indexes come first, ascending, whenever they were set', (t, make) => {
  const object = make.object<Record<string, any>>({ b: 1, 10: 2, 2: 3 })
  object['a'] = 4
  object[1] = 5
  object['0'] = 6
  object['-1'] = 7
  object['01'] = 8
  object['1.5'] = 9
  object['4294967294'] = 10
  object['100'] = 11
  const order = ['0', '1', '2', '10', '100', '4294967294', 'b', 'a', '-1', '01', '1.5']
  t.deepEqual(Object.keys(object), order)
  t.deepEqual(Reflect.ownKeys(object), order)
  t.deepEqual(Object.entries(object).map(([key]) => key), order)
  const listed: string[] = []
  for (const key in object) listed.push(key)
  t.deepEqual(listed, order)
  t.deepEqual(Object.keys(JSON.parse(JSON.stringify(object))), order)
})

twins('numbers of any other form are names like others', (t, make) => {
  const object = make.object<Record<string, any>>({ first: 0 })
  const names = ['-0', '+1', ' 1', '1e3', '0x1', '1n', 'NaN', 'Infinity', '00', '4294967295.5', '']
  for (const name of names) object[name] = name
  t.deepEqual(Object.keys(object), ['first', ...names])
})

twins('a number is the name that it is written as', (t, make) => {
  const object = make.object<any>()
  object[1] = 'one'
  object[-0] = 'zero'
  object[1.5] = 'half'
  object[1e21] = 'large'
  object[NaN] = 'nan'
  object[null as any] = 'null'
  object[10n as any] = 'ten'
  t.deepEqual(Object.keys(object), ['0', '1', '10', '1.5', '1e+21', 'NaN', 'null'])
  t.is(object['1'], 'one')
  t.is(object[0], 'zero')
  t.is(object['1e+21'], 'large')
})

twins('replacing keeps a place, deleting loses it', (t, make) => {
  const object = abc(make)
  object['a'] = 10
  t.deepEqual(Object.keys(object), ['a', 'b', 'c'])
  delete object['a']
  t.deepEqual(Object.keys(object), ['b', 'c'])
  object['a'] = 100
  t.deepEqual(Object.entries(object), [['b', 2], ['c', 3], ['a', 100]])
  delete object['b']
  object['d'] = 4
  object['b'] = 5
  t.deepEqual(Object.keys(object), ['c', 'a', 'd', 'b'])
})

twins('names are compared unit by unit', (t, make) => {
  const names = ['é', 'e\u0301', '\ud800', '\udc00', '\ud83d\ude00', '\ufffd', 'A', 'a', '\0', 'a\0', 'a\0b', ' ', 'x'.repeat(300), 'x'.repeat(301)]
  const object = make.object<Record<string, any>>()
  for (const [index, name] of names.entries()) object[name] = index
  t.deepEqual(Object.keys(object), names)
  for (const [index, name] of names.entries()) t.is(object[name], index)
})

// Reading

twins('what an object inherits is not its own', (t, make) => {
  const object = abc(make)
  for (const name of ['toString', 'valueOf', 'hasOwnProperty', 'constructor', 'isPrototypeOf', '__proto__']) {
    t.true(name in object, name)
    t.false(Object.hasOwn(object, name), name)
    t.is(object[name], ({} as any)[name], name)
  }
  t.true(Reflect.has(object, 'toString'))
  t.deepEqual(['a', 'z', ''].map((name) => name in object), [true, false, false])
  t.deepEqual(['a', 'z', ''].map((name) => Object.hasOwn(object, name)), [true, false, false])
  t.true(Object.prototype.hasOwnProperty.call(object, 'a'))
  t.true(Object.prototype.propertyIsEnumerable.call(object, 'a'))
  t.false(Object.prototype.propertyIsEnumerable.call(object, 'toString'))
})

twins('names that objects inherit can be fields', (t, make) => {
  const object = make.object<Record<string, any>>()
  for (const name of ['toString', 'constructor', 'hasOwnProperty', 'valueOf', 'toJSON', 'then', 'length']) {
    object[name] = `own ${name}`
    t.is(object[name], `own ${name}`)
    t.true(Object.hasOwn(object, name))
  }
  t.is(Object.keys(object).length, 7)
  t.is(Object.getPrototypeOf(object), Object.prototype)
  delete object['toString']
  t.is(object['toString'], Object.prototype.toString)
})

twins('a field that is undefined is there', (t, make) => {
  const object = make.object<Record<string, any>>({ a: undefined })
  t.true('a' in object)
  t.deepEqual(Object.keys(object), ['a'])
  object['b'] = undefined
  t.true(Object.hasOwn(object, 'b'))
  t.false('c' in object)
})

twins('symbols that are not there are not found', (t, make) => {
  const object = abc(make) as any
  for (const symbol of [Symbol('s'), Symbol.for('nodejs.util.inspect.custom'), Symbol.iterator, Symbol.toPrimitive, Symbol.toStringTag]) {
    t.false(Object.hasOwn(object, symbol))
  }
  t.is(object[Symbol.iterator], undefined)
  t.is(object[Symbol('s')], undefined)
  t.deepEqual(Object.getOwnPropertySymbols(object), [])
  t.throws(() => [...object], { instanceOf: TypeError })
})

twins('descriptors are those of plain fields', (t, make) => {
  const object = make.object<Record<string, any>>({ a: 1, 5: undefined })
  t.deepEqual(Object.getOwnPropertyDescriptor(object, 'a'), { value: 1, ...data })
  t.deepEqual(Reflect.getOwnPropertyDescriptor(object, '5'), { value: undefined, ...data })
  t.is(Object.getOwnPropertyDescriptor(object, 'b'), undefined)
  t.is(Object.getOwnPropertyDescriptor(object, 'toString'), undefined)
  t.deepEqual(Object.getOwnPropertyDescriptors(object), { 5: { value: undefined, ...data }, a: { value: 1, ...data } } as any)
})

// Writing

twins('operators that assign do what they do', (t, make) => {
  const object = make.object<Record<string, any>>({ count: 1, text: 'a', none: null })
  object['count'] += 1
  t.is(object['count']++, 2)
  t.is(++object['count'], 4)
  object['text'] += 'b'
  object['none'] ??= 'filled'
  object['none'] ??= 'not'
  object['new'] ||= 'set'
  object['count'] &&= 10
  object['big'] = 1n
  object['big'] <<= 70n
  t.is((object['x'] = object['y'] = 5), 5)
  ;[object['x'], object['text']] = [object['text'], object['x']]
  t.deepEqual(Object.entries(object), [
    ['count', 10],
    ['text', 5],
    ['none', 'filled'],
    ['new', 'set'],
    ['big', 2n ** 70n],
    ['y', 5],
    ['x', 'ab'],
  ])
})

twins('delete takes fields away, and says true also for what is not there', (t, make) => {
  const object = abc(make)
  t.true(delete object['a'])
  t.true(delete object['a'])
  t.true(delete object['toString'])
  t.true(Reflect.deleteProperty(object, 'b'))
  t.true(delete (object as any)[Symbol('s')])
  t.deepEqual(Object.keys(object), ['c'])
  t.is(object['a'], undefined)
  t.is(typeof object['toString'], 'function')
  delete object['c']
  t.deepEqual(Object.keys(object), [])
})

twins('Reflect sets and gets as assignments do', (t, make) => {
  const object = abc(make)
  t.true(Reflect.set(object, 'a', 10))
  t.true(Reflect.set(object, 'd', 4))
  t.is(Reflect.get(object, 'd'), 4)
  t.deepEqual(Object.entries(object), [['a', 10], ['b', 2], ['c', 3], ['d', 4]])
})

twins('an assignment goes to its receiver', (t, make) => {
  const object = abc(make)
  const heir = Object.create(object)
  heir.a = 'own'
  heir.new = 'too'
  t.deepEqual(Object.keys(heir), ['a', 'new'])
  t.is(heir.b, 2)
  t.is(object['a'], 1)
  const other: Record<string, unknown> = {}
  t.true(Reflect.set(object, 'b', 'other', other))
  t.deepEqual(other, { b: 'other' })
  t.is(object['b'], 2)
  t.false(Reflect.set(object, 'b', 1, 5))
  const listed: string[] = []
  for (const key in heir) listed.push(key)
  t.deepEqual(listed, ['a', 'new', 'b', 'c'])
})

twins('defineProperty defines what is writable, enumerable and configurable', (t, make) => {
  const object = abc(make)
  t.is(Object.defineProperty(object, 'a', { value: 10, ...data }), object)
  Object.defineProperty(object, 'd', { value: 4, ...data })
  Object.defineProperty(object, 'b', { value: 20 })
  Object.defineProperty(object, 'c', { enumerable: true, configurable: true })
  Object.defineProperty(object, 'c', {})
  t.true(Reflect.defineProperty(object, 'e', { value: 5, ...data }))
  Object.defineProperties(object, { f: { value: 6, ...data }, 0: { value: 0, ...data } })
  Object.defineProperty(object, 'u', data)
  t.deepEqual(Object.entries(object), [
    ['0', 0],
    ['a', 10],
    ['b', 20],
    ['c', 3],
    ['d', 4],
    ['e', 5],
    ['f', 6],
    ['u', undefined],
  ])
  t.deepEqual(Object.getOwnPropertyDescriptor(object, 'b'), { value: 20, ...data })
})

twins('defineProperty refuses what is no descriptor', (t, make) => {
  const object = abc(make)
  for (const bad of [undefined, null, 1, 'x', { get: 1 }, { get: () => 1, value: 1 }] as any[]) {
    t.throws(() => Object.defineProperty(object, 'a', bad), { instanceOf: TypeError })
  }
  t.is(object['a'], 1)
})

// __proto__

twins('__proto__ can be a field', (t, make) => {
  const object = make.object<Record<string, any>>(JSON.parse('{"a":1,"__proto__":2,"b":3}'))
  t.deepEqual(Object.keys(object), ['a', '__proto__', 'b'])
  t.is(object['__proto__'], 2)
  t.is(Object.getPrototypeOf(object), Object.prototype)
  object['__proto__'] = 5
  t.is(object['__proto__'], 5)
  t.is(JSON.stringify(object), '{"a":1,"__proto__":5,"b":3}')
  t.true(delete object['__proto__'])
  t.is(object['__proto__'], Object.prototype)
  Object.defineProperty(object, '__proto__', { value: 'defined', ...data })
  t.is(object['__proto__'], 'defined')
  t.is(Object.getPrototypeOf(object), Object.prototype)
})

// Enumerating

twins('for-in leaves out what is deleted before it comes', (t, make) => {
  const object = make.object<Record<string, any>>({ a: 1, b: 2, c: 3, d: 4 })
  const found: string[] = []
  for (const key in object) {
    found.push(key)
    if (key === 'a') delete object['c']
    if (key === 'b') delete object['b']
  }
  t.deepEqual(found, ['a', 'b', 'd'])
  for (const key in object) delete object[key]
  t.deepEqual(Object.keys(object), [])
})

twins('the functions of Object list the same in the same order', (t, make) => {
  const object = make.object<Record<string, any>>({ b: 1, 1: 2, a: 3 })
  t.deepEqual(Object.keys(object), ['1', 'b', 'a'])
  t.deepEqual(Object.getOwnPropertyNames(object), ['1', 'b', 'a'])
  t.deepEqual(Object.values(object), [2, 1, 3])
  t.deepEqual(Object.entries(object), [['1', 2], ['b', 1], ['a', 3]])
  t.deepEqual(Object.keys(Object.fromEntries(Object.entries(object))), ['1', 'b', 'a'])
  t.deepEqual([...new Map(Object.entries(object)).keys()], ['1', 'b', 'a'])
})

twins('spread, rest and assign copy the fields', (t, make) => {
  const object = abc(make)
  t.deepEqual({ ...object }, { a: 1, b: 2, c: 3 })
  t.deepEqual({ a: 0, ...object, c: 30 } as any, { a: 1, b: 2, c: 30 })
  t.deepEqual(Object.assign({}, object), { a: 1, b: 2, c: 3 })
  const { a, x = 'default', ...rest } = object
  t.deepEqual([a, x], [1, 'default'])
  t.deepEqual(rest, { b: 2, c: 3 })
  const copy = { ...object }
  copy['a'] = 100
  t.is(object['a'], 1)
})

twins('assign sets the fields of each source in turn', (t, make) => {
  const object = abc(make)
  const source = make.object({ d: 4, a: 10 })
  const getting = {
    get e() {
      return object['a'] * 2
    },
  }
  t.is(Object.assign(object, source, null, undefined, 'xy', ['z'], getting) as unknown, object)
  t.deepEqual(Object.entries(object), [['0', 'z'], ['1', 'y'], ['a', 10], ['b', 2], ['c', 3], ['d', 4], ['e', 20]])
})

twins('assign keeps what it set before a getter throws', (t, make) => {
  const object = make.object<Record<string, any>>()
  const source = {
    a: 1,
    get b() {
      throw new RangeError('no')
    },
    c: 3,
  }
  t.throws(() => Object.assign(object, source), { instanceOf: RangeError })
  t.deepEqual(Object.entries(object), [['a', 1]])
})

// Nested

twins('nested values are the same object at each read', (t, make) => {
  const inner = make.object<Record<string, any>>({ deep: make.array([1]) })
  const object = make.object<Record<string, any>>({ inner, again: inner })
  t.is(object['inner'], inner)
  t.is(object['inner'], object['again'])
  t.is(object['inner'].deep, inner['deep'])
  object['inner'].deep.push(2)
  t.deepEqual([...object['again'].deep], [1, 2])
  t.is(Object.values(object)[0], inner)
  const { inner: read } = object
  t.is(read, inner)
  t.is({ ...object }['again'], inner)
  object['self'] = object
  t.is(object['self'].self, object)
  delete object['inner']
  t.is(object['again'], inner)
})

twins('optional chaining ends where there is nothing', (t, make) => {
  const object = make.object<any>({ a: make.object({ b: null, list: make.array(['x']) }) })
  t.is(object.a?.list?.[0], 'x')
  t.is(object.a?.b?.c, undefined)
  t.is(object.x?.y.z, undefined)
  t.is(object.x?.(), undefined)
  t.is(object.a.list.at?.(-1), 'x')
  t.throws(() => object.x.y, { instanceOf: TypeError })
  t.throws(() => object.a(), { instanceOf: TypeError })
})

twins('a removed object can be changed and put back', (t, make) => {
  const inner = make.object({ n: 1 })
  const object = make.object<Record<string, any>>({ inner })
  delete object['inner']
  inner['n'] = 2
  object['back'] = inner
  t.is(object['back'], inner)
  t.is(object['back'].n, 2)
})

twins('an object that is like an array can be made one', (t, make) => {
  const like = make.object({ length: 2, 0: 'a', 1: 'b', 2: 'c' })
  t.deepEqual(Array.from(like as any), ['a', 'b'])
  t.deepEqual(Array.prototype.map.call(like, (item) => `${item}!`), ['a!', 'b!'])
  Array.prototype.push.call(like, 'pushed')
  t.deepEqual(Object.entries(like), [['0', 'a'], ['1', 'b'], ['2', 'pushed'], ['length', 3]])
})

// JSON and comparing

twins('JSON shows an object as it is', (t, make) => {
  const object = make.object<Record<string, any>>({ b: 1, 1: 'x', a: undefined, n: null, nan: NaN, zero: -0 })
  object['date'] = new Date(0)
  object['inner'] = make.object({ list: make.array([make.object(), undefined]) })
  t.is(
    JSON.stringify(object),
    '{"1":"x","b":1,"n":null,"nan":null,"zero":0,"date":"1970-01-01T00:00:00.000Z","inner":{"list":[{},null]}}',
  )
  t.is(JSON.stringify(object, ['inner', 'list']), '{"inner":{"list":[{},null]}}')
  const replaced = JSON.stringify(make.object({ a: make.object(), b: 1 }), (key, value) => (key === 'a' ? 'replaced' : value))
  t.is(replaced, '{"a":"replaced","b":1}')
  t.is(JSON.stringify(make.object({ a: 1 }), null, 2), '{\n  "a": 1\n}')
  object['self'] = object
  t.throws(() => JSON.stringify(object), { instanceOf: TypeError })
})

twins('JSON.parse revives into an object', (t, make) => {
  const object = make.object<Record<string, any>>()
  JSON.parse('{"a":{"b":[1,2]}}', (key, value) => {
    if (typeof value === 'number') object[`${key}`] = value
    return value
  })
  t.deepEqual(Object.entries(object), [['0', 1], ['1', 2]])
})

twins('deepStrictEqual compares fields and items', (t, make) => {
  const object = make.object<Record<string, any>>({ a: 1, list: make.array([1, make.object({ x: NaN })]) })
  const same = () => ({ a: 1, list: [1, { x: NaN }] }) as any
  assert.deepStrictEqual(object, same())
  assert.deepStrictEqual(same(), object)
  assert.deepStrictEqual({ in: object }, { in: same() })
  assert.deepStrictEqual(object, make.object({ a: 1, list: make.array([1, make.object({ x: NaN })]) }))
  const others: any[] = [{ a: 1 }, { ...same(), b: 1 }, { ...same(), a: '1' }, { a: 1, list: [1, { x: 0 }] }, { a: 1, list: [1] }, [], null]
  for (const other of [...others, Object.assign(Object.create(null), same())]) {
    assert.notDeepStrictEqual(object, other)
    assert.notDeepStrictEqual(other, object)
  }
  assert.deepStrictEqual(make.array(['a', undefined]), ['a', undefined])
  assert.notDeepStrictEqual(make.array(['a', 'b']), ['a', 'c'])
  assert.notDeepStrictEqual(['a'], make.array(['a', undefined]))
  assert.notDeepStrictEqual(make.array(), {})
  t.pass()
})

// Many fields

for (const count of [1, 10, 30, 100, 1000]) {
  twins(`${count} fields are set, read, deleted and listed`, (t, make) => {
    const object = make.object<Record<string, any>>()
    for (let index = 0; index < count; index += 1) object[`field ${index}`] = `${index} `.repeat(index % 20)
    for (let index = 0; index < count; index += 7) object[`field ${index}`] = index
    for (let index = 0; index < count; index += 3) delete object[`field ${index}`]
    for (let index = 0; index < count; index += 6) object[`field ${index}`] = -index
    for (let index = 0; index < count; index += 11) object[index] = index
    t.true(Object.is(object['field 0'], -0))
    make.note(JSON.stringify(object))
    t.deepEqual(Object.keys(object).length, new Set(Object.keys(object)).size)
  })
}

twins('an object with a long field is an object still', (t, make) => {
  const object = abc(make)
  object['long'] = 'x'.repeat(100_000)
  object['d'] = 4
  object['long'] += 'y'
  t.is(object['long'].length, 100_001)
  object['longer name'.repeat(1000)] = 1
  t.deepEqual(Object.keys(object).map((name) => name.length), [1, 1, 1, 4, 1, 11_000])
})

twins('a long run of changes comes to the same', (t, make) => {
  const object = make.object<Record<string, any>>()
  let state = 4242
  const random = (below: number) => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) % below
  for (let step = 0; step < 3000; step += 1) {
    const number = random(60)
    const key = random(3) === 0 ? `${number}` : `k${number}`
    const choice = random(100)
    if (choice < 55) object[key] = step
    else if (choice < 85) make.note(delete object[key])
    else if (choice < 95) make.note(object[key], key in object)
    else if (choice < 98) make.note(Object.keys(object).join())
    else make.note(JSON.stringify(object))
  }
  t.true(Object.keys(object).length > 0)
})

// Where persistent objects differ

plain('an object may have accessors, symbols and another prototype', (t, make) => {
  const object = abc(make) as any
  Object.defineProperty(object, 'double', { get: () => 2 * object.a })
  object[Symbol.for('s')] = 1
  Object.setPrototypeOf(object, { inherited: true })
  Object.freeze(object)
  t.deepEqual([object.double, object[Symbol.for('s')], object.inherited, Object.isFrozen(object)], [2, 1, true, true])
})

persistent('an object cannot be frozen, sealed, closed or given another prototype', (t, store) => {
  const object = store.object<Record<string, any>>({ a: 1 })
  for (const change of [Object.freeze, Object.seal, Object.preventExtensions]) {
    t.throws(() => change(object), { instanceOf: TypeError }, change.name)
  }
  for (const prototype of [null, {}, Array.prototype]) {
    t.throws(() => Object.setPrototypeOf(object, prototype), { instanceOf: TypeError })
    t.throws(() => (object['__proto__'] = prototype), { instanceOf: TypeError })
  }
  t.is(Object.getPrototypeOf(object), Object.prototype)
  t.true(Object.isExtensible(object))
  object['b'] = 2
  delete object['a']
  t.deepEqual(Object.entries(object), [['b', 2]])
})

persistent('fields that are not writable, enumerable and configurable are refused', (t, store) => {
  const object = store.object<Record<string, any>>({ a: 1 })
  for (const name of ['writable', 'enumerable', 'configurable'] as const) {
    for (const key of ['a', 'b']) {
      const change = () => Object.defineProperty(object, key, { value: 2, ...data, [name]: false })
      t.throws(change, { instanceOf: TypeError }, `${name} of ${key}`)
    }
    t.throws(() => Object.defineProperty(object, 'a', { [name]: false }), { instanceOf: TypeError }, name)
  }
  t.throws(() => Object.defineProperty(object, 'b', { value: 2 }), { instanceOf: TypeError })
  t.throws(() => Object.defineProperty(object, 'b', {}), { instanceOf: TypeError })
  t.deepEqual(Object.getOwnPropertyDescriptors(object), { a: { value: 1, ...data } } as any)
})

persistent('accessors are refused', (t, store) => {
  const object = store.object<any>({ a: 1 })
  for (const key of ['a', 'b']) {
    t.throws(() => Object.defineProperty(object, key, { get: () => 1, enumerable: true, configurable: true }), { instanceOf: TypeError })
    t.throws(() => Object.defineProperty(object, key, { set: () => {} }), { instanceOf: TypeError })
    t.throws(() => object['__defineGetter__'](key, () => 1), { instanceOf: TypeError })
    t.throws(() => object['__defineSetter__'](key, () => 1), { instanceOf: TypeError })
  }
  t.deepEqual(Object.entries(object), [['a', 1]])
})

persistent('symbols are refused as names', (t, store) => {
  const object = store.object<any>({ a: 1 })
  for (const symbol of [Symbol('s'), Symbol.for('s'), Symbol.iterator, Symbol.for('nodejs.util.inspect.custom')]) {
    t.throws(() => (object[symbol] = 1), undefined, String(symbol))
    t.throws(() => Object.defineProperty(object, symbol, { value: 1, ...data }), undefined, String(symbol))
    t.throws(() => Object.assign(object, { [symbol]: 1 }), undefined, String(symbol))
    t.false(Object.hasOwn(object, symbol))
  }
  t.deepEqual(Reflect.ownKeys(object), ['a'])
})

persistent('a value that cannot be stored changes nothing, however it is set', (t, store) => {
  const object = store.object<Record<string, any>>({ a: 1 })
  const bad = () => 1
  const changes: (() => unknown)[] = [
    () => (object['a'] = bad),
    () => (object['b'] = bad),
    () => (object['b'] = { deep: [bad] }),
    () => Object.defineProperty(object, 'a', { value: bad }),
    () => Object.defineProperty(object, 'b', { value: bad, ...data }),
    () => Reflect.set(object, 'b', bad),
    () => store.object({ a: 1, b: bad }),
  ]
  for (const change of changes) {
    t.throws(change, { code: 'ERR_PMEM_UNCLONEABLE' }, String(change))
    t.deepEqual(Object.entries(object), [['a', 1]], String(change))
  }
})

persistent('plain fields are copied in, and live when they are read', (t, store) => {
  const object = store.object<any>({})
  const fields = { list: [1], inner: { deep: new Set(['x']) } }
  object.fields = fields
  t.not(object.fields, fields)
  t.is(object.fields, object.fields)
  for (const part of [object.fields, object.fields.list, object.fields.inner, object.fields.inner.deep]) t.true(objects.isPersistent(part))
  fields.list.push(2)
  t.is(object.fields.list.length, 1)
  object.fields.inner.deep.add('y')
  t.deepEqual([...fields.inner.deep], ['x'])
  t.deepEqual([...object.fields.inner.deep], ['x', 'y'])
})

persistent('taking deletions of long fields back again and again costs the same each time', (t, store) => {
  const object = store.object<Record<string, any>>({})
  for (let index = 0; index < 60; index += 1) object[`field ${index}${'x'.repeat((index % 2) * 240)}`] = index
  const { rss } = process.memoryUsage()
  for (let round = 0; round < 11; round += 1) {
    object[`extra ${round}`] = round
    const before = formOf(object)
    const failing = () =>
      store.transaction(() => {
        for (const name of Object.keys(object)) delete object[name]
        throw new RangeError('no')
      })
    t.throws(failing, { instanceOf: RangeError })
    t.deepEqual(formOf(object), before)
  }
  t.true(process.memoryUsage().rss - rss < 100 * 2 ** 20)
})

persistent('fields stay in their order in the file', (t, store, stored) => {
  const object = store.object<Record<string, any>>({ z: 1, 2: 'two', a: 2 })
  object['1'] = 'one'
  object['m'] = 3
  delete object['z']
  object['z'] = 4
  store.root.set('object', object)
  const again = stored.reopen().get('object')
  t.deepEqual(Object.entries(again), [['1', 'one'], ['2', 'two'], ['a', 2], ['m', 3], ['z', 4]])
  again.b = 5
  delete again.a
  t.deepEqual(formOf(stored.plainRoot().get('object')), formOf({ 1: 'one', 2: 'two', m: 3, z: 4, b: 5 }))
})
