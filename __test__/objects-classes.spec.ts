/** Instances of classes that are stored: what they are, and what loading makes of them. */

import { inspect } from 'node:util'
import test from 'ava'
import { objects } from 'pmem'
import { throws } from './helpers/errors.js'
import { type AnyStore, open, reopened } from './helpers/objects-threads.js'

class Animal extends objects.Persistent {
  name = 'nobody'
  legs = 4
  sound(): string {
    return `${this.name} is silent`
  }
  get half(): number {
    return this.legs / 2
  }
  set half(value: number) {
    this.legs = 2 * value
  }
  static of(name: string): Animal {
    const animal = new this()
    animal.name = name
    return animal
  }
}

class Dog extends Animal {
  tricks: string[] = []
  override sound(): string {
    return `${super.sound()}, no: ${this.name} barks`
  }
}

const classes = { Animal, Dog }

/** A store with a map for its root, that can be opened again. */
function kept(t: Parameters<typeof open>[0], options: objects.OpenOptions<any> = { classes }) {
  let store: AnyStore = open(t, () => new Map<string, any>(), options)
  return {
    get root() {
      return store.root
    },
    get store() {
      return store
    },
    reopen(again: objects.OpenOptions<any> = options) {
      store.close()
      store = reopened(t, store, again)
      return store.root
    },
  }
}

test('an instance becomes the stored object, and is read as the same one', (t) => {
  const { root } = kept(t)
  const dog = new Dog()
  dog.name = 'rex'
  root.set('dog', dog).set('again', { list: [dog] })
  t.is(root.get('dog'), dog)
  t.is(root.get('again').list[0], dog)
  root.get('dog').legs = 3
  t.is(dog.legs, 3)
  dog.tricks.push('roll')
  t.deepEqual([...root.get('dog').tricks], ['roll'])
  t.true(objects.isPersistent(dog.tricks))
})

test('it is an instance of its class, with methods, accessors and what it inherits, also when it is opened again', (t) => {
  const store = kept(t)
  store.root.set('dog', Dog.of('rex'))
  for (const name of ['live', 'opened again']) {
    const dog = (name === 'live' ? store.root : store.reopen()).get('dog')
    t.true(dog instanceof Dog && dog instanceof Animal && dog instanceof objects.Persistent, name)
    t.is(dog.constructor, Dog)
    t.is(dog.sound(), 'rex is silent, no: rex barks')
    dog.half = 4
    t.deepEqual([dog.legs, dog.half], [8, 4])
    t.deepEqual(Object.keys(dog), ['name', 'legs', 'tricks'])
    t.false(Object.hasOwn(dog, 'half'))
    t.is(JSON.stringify(dog), '{"name":"rex","legs":8,"tricks":[]}')
    dog.legs = 4
  }
})

test('fields are what instances and plain objects have: they are added, changed and deleted', (t) => {
  const store = kept(t)
  const animal: any = Animal.of('x')
  animal.early = 1
  delete animal.legs
  store.root.set('animal', animal)
  animal.late = new Date(5)
  animal.bytes = Uint8Array.of(1, 2)
  delete animal.early
  t.deepEqual(Object.keys(animal), ['name', 'late', 'bytes'])
  const again = store.reopen().get('animal')
  t.deepEqual({ ...again }, { name: 'x', late: new Date(5), bytes: Uint8Array.of(1, 2) })
  t.is(again.legs, undefined)
  for (let index = 0; index < 400; index += 1) again[`field ${index}`] = index
  t.true(again instanceof Animal)
  const large = store.reopen().get('animal')
  t.deepEqual([Object.keys(large).length, large['field 399'], large.sound()], [403, 399, 'x is silent'])
})

test('a draft is an object like others until it is stored', (t) => {
  const dog: any = new Dog()
  t.true(objects.isPersistent(dog))
  dog.name = 'rex'
  dog.owner = { name: 'ada' }
  t.deepEqual(Object.keys(dog), ['name', 'legs', 'tricks', 'owner'])
  t.is(JSON.stringify(dog), '{"name":"rex","legs":4,"tricks":[],"owner":{"name":"ada"}}')
  t.is(dog.sound(), 'rex is silent, no: rex barks')
  t.true('name' in dog && !('nothing' in dog))
  t.true(inspect(dog).includes("name: 'rex'"))
  delete dog.owner
  t.false('owner' in dog)
  dog.fn = () => 1
  t.is(dog.fn(), 1)
  const { root } = kept(t)
  throws(t, { code: 'ERR_PMEM_UNCLONEABLE', says: "root.get('dog').fn" }, () => root.set('dog', dog))
  t.is(root.size, 0)
  t.is(dog.fn(), 1)
  delete dog.fn
  root.set('dog', dog)
  t.is(root.get('dog'), dog)
})

test('static defaults are what fields are that were stored before they were thought of', (t) => {
  class User extends objects.Persistent {
    name = 'ada'
  }
  const store = kept(t, { classes: { User } })
  store.root.set('user', new User())
  class Newer extends objects.Persistent {
    static defaults = { visits: 7, since: new Date(5), nothing: null }
    name = 'never'
    visits = 1
    since = new Date(1)
    nothing: unknown = 1
    other = 2
  }
  const user = store.reopen({ classes: { User: Newer } }).get('user')
  t.true(user instanceof Newer)
  t.deepEqual([user.name, user.visits, user.since, user.nothing, user.other], ['ada', 7, new Date(5), null, undefined])
  t.true('visits' in user)
  t.not(user.since, user.since)
  user.since.setTime(9)
  t.deepEqual(user.since, new Date(5))
  user.visits += 1
  t.is(user.visits, 8)
  t.deepEqual(store.reopen({ classes: { User } }).get('user').visits, 8)
})

test('neither constructor nor initialisers run where an instance is loaded', (t) => {
  let runs = 0
  class Counted extends objects.Persistent {
    number = (runs += 1)
    constructor() {
      super()
      runs += 100
    }
  }
  const store = kept(t, { classes: { Counted } })
  store.root.set('it', new Counted())
  t.is(runs, 101)
  t.is(store.reopen().get('it').number, 1)
  t.is(runs, 101)
})

test('with static construct the constructor runs at load, without arguments, and what it sets is not stored', (t) => {
  const runs: unknown[][] = []
  class Secret extends objects.Persistent {
    static construct = true
    #secret = 'hidden'
    open = 'initial'
    added: string | undefined
    constructor(...args: unknown[]) {
      super()
      runs.push(args)
      if (args.length > 0) this.open = 'given'
    }
    get secret(): string {
      return this.#secret
    }
    set secret(value: string) {
      this.#secret = value
    }
  }
  const store = kept(t, { classes: { Secret } })
  const secret = new Secret('argument')
  store.root.set('it', secret)
  t.is(secret.secret, 'hidden')
  secret.secret = 'changed'
  t.is(store.root.get('it').secret, 'changed')
  const again = store.reopen().get('it')
  t.deepEqual(runs, [['argument'], []])
  t.deepEqual([again.secret, again.open], ['hidden', 'given'])
  t.is(store.root.get('it'), again)
  t.is(runs.length, 2)
  class Older extends objects.Persistent {}
  t.deepEqual(Object.keys(store.reopen({ classes: { Secret: Older } }).get('it')), ['open', 'added'])
})

test('what the constructor sets at load is seen where nothing is stored', (t) => {
  class Before extends objects.Persistent {
    a = 1
  }
  class After extends objects.Persistent {
    static construct = true
    a = 10
    b = 20
  }
  const store = kept(t, { classes: { It: Before } })
  store.root.set('it', new Before())
  const it = store.reopen({ classes: { It: After } }).get('it')
  t.deepEqual([it.a, it.b, Object.keys(it)], [1, 20, ['a', 'b']])
  it.b = 21
  t.is(it.b, 21)
  const before = store.reopen({ classes: { It: Before } }).get('it')
  t.deepEqual({ ...before }, { a: 1, b: 21 })
})

test('a constructor may make other instances, also before it calls that of its base', (t) => {
  class Child extends objects.Persistent {
    name = 'child'
  }
  class Parent extends objects.Persistent {
    static construct = true
    #own: Child
    name = 'parent'
    constructor() {
      const child = new Child()
      super()
      this.#own = child
    }
    get own(): Child {
      return this.#own
    }
  }
  const store = kept(t, { classes: { Child, Parent } })
  const parent = new Parent()
  parent.name = 'stored'
  store.root.set('parent', parent)
  const again = store.reopen().get('parent')
  t.deepEqual([again.name, again.own.name, again.own instanceof Child], ['stored', 'child', true])
  t.not(again.own, again)
})

test('a constructor that throws at load does so at each read, and leaves nothing half made', (t) => {
  let mayLoad = false
  class Moody extends objects.Persistent {
    static construct = true
    #secret = 1
    a = 1
    constructor(argument?: number) {
      super()
      if (argument === undefined && !mayLoad) throw new RangeError('moody')
    }
    get secret(): number {
      return this.#secret
    }
  }
  const store = kept(t, { classes: { Moody } })
  store.root.set('it', new Moody(1))
  const root = store.reopen()
  for (let times = 0; times < 3; times += 1) t.throws(() => root.get('it'), { instanceOf: RangeError })
  // Drafts are made as ever.
  t.is(new Moody(1).secret, 1)
  mayLoad = true
  t.is(root.get('it').secret, 1)
  t.is(root.get('it'), root.get('it'))
})

test('a constructor that throws makes no instance', (t) => {
  class Never extends objects.Persistent {
    constructor() {
      super()
      throw new RangeError('never')
    }
  }
  t.throws(() => new Never(), { instanceOf: RangeError })
  class Fine extends objects.Persistent {
    a = 1
  }
  t.is(new Fine().a, 1)
})

test('a constructor takes arguments', (t) => {
  class Point extends objects.Persistent {
    x: number
    y: number
    constructor(x: number, y: number) {
      super()
      this.x = x
      this.y = y
    }
  }
  const store = kept(t, { classes: { Point } })
  store.root.set('point', new Point(1, 2))
  t.deepEqual({ ...store.reopen().get('point') }, { x: 1, y: 2 })
})

test('attached runs once at each load, and not where an instance is stored', (t) => {
  const log: string[] = []
  class User extends objects.Persistent {
    static volatile = ['cache']
    name = 'ada'
    cache: Map<string, number> | undefined
    attached(): void {
      log.push(this.name)
      this.cache = new Map([['loaded', 1]])
    }
  }
  const store = kept(t, { classes: { User } })
  store.root.set('user', new User())
  t.deepEqual(log, [])
  const again = store.reopen()
  t.deepEqual(log, [])
  t.is(again.get('user').cache.get('loaded'), 1)
  t.is(again.get('user'), again.get('user'))
  t.deepEqual(log, ['ada'])
  store.reopen().get('user')
  t.deepEqual(log, ['ada', 'ada'])
})

test('an attached that throws does so at each read', (t) => {
  class Bad extends objects.Persistent {
    attached(): void {
      throw new RangeError('not now')
    }
  }
  const store = kept(t, { classes: { Bad } })
  store.root.set('it', new Bad())
  const root = store.reopen()
  for (let times = 0; times < 3; times += 1) t.throws(() => root.get('it'), { instanceOf: RangeError })
  t.true(root.has('it'))
  t.true(root.delete('it'))
})

test('attached may read and change what is stored', (t) => {
  class Node extends objects.Persistent {
    next: Node | undefined
    loads = 0
    attached(): void {
      this.loads += 1
      if (this.next) this.next.loads += 10
    }
  }
  const store = kept(t, { classes: { Node } })
  const [one, other] = [new Node(), new Node()]
  one.next = other
  other.next = one
  store.root.set('one', one)
  const again = store.reopen().get('one')
  t.is(again.next.next, again)
  t.deepEqual([again.loads, again.next.loads].toSorted(), [11, 11])
})

test('volatile fields do not persist, take any value, and are seen where they are set', (t) => {
  class User extends objects.Persistent {
    static volatile = ['socket', 'count']
    name = 'ada'
    socket: unknown = () => 'open'
    count = 1
  }
  const store = kept(t, { classes: { User } })
  const user: any = new User()
  t.is(user.socket(), 'open')
  store.root.set('user', user)
  t.is(user.socket(), 'open')
  user.count = Symbol.for('any')
  t.is(store.root.get('user').count, Symbol.for('any'))
  t.is(JSON.stringify(user), '{"name":"ada"}')
  t.throws(() => store.store.transaction(() => {
    user.count = 2
    user.name = 'bob'
    throw new RangeError()
  }), { instanceOf: RangeError })
  t.deepEqual([user.name, user.count], ['ada', 2])
  const again = store.reopen().get('user')
  t.deepEqual([again.name, again.socket, again.count, 'socket' in again], ['ada', undefined, undefined, false])
  again.socket = 1
  t.is(again.socket, 1)
  delete again.socket
  t.false('socket' in again)
  class Plain extends objects.Persistent {}
  t.deepEqual({ ...store.reopen({ classes: { User: Plain } }).get('user') }, { name: 'ada' })
})

test('an instance of a class that the store was not opened with is refused, and the path is named', (t) => {
  class Stranger extends objects.Persistent {
    a = 1
  }
  const { root, store } = kept(t)
  const says = "root.get('list')[1].deep: an instance of Stranger"
  const stranger = new Stranger()
  throws(t, { code: 'ERR_PMEM_UNCLONEABLE', says }, () => root.set('list', [1, { deep: stranger }]))
  throws(t, { code: 'ERR_PMEM_UNCLONEABLE', says: 'classes: { Stranger }' }, () => store.object(stranger))
  throws(t, 'ERR_PMEM_UNCLONEABLE', () => (store.root = stranger))
  t.is(root.size, 0)
  t.is(stranger.a, 1)
  // What extends a class that is stored is no instance of that for the store.
  class Puppy extends Dog {}
  throws(t, { code: 'ERR_PMEM_UNCLONEABLE', says: 'Puppy' }, () => root.set('puppy', new Puppy()))
})

test('an instance of a class that is not known is said to be one when it is read, and can be replaced and removed', (t) => {
  const store = kept(t)
  store.root.set('dog', Dog.of('rex')).set('record', { dog: Dog.of('a'), other: 1 }).set('list', [1, Dog.of('b')])
  const root = store.reopen({ classes: { Animal } })
  const refused = { code: 'ERR_PMEM_CLASS', says: 'classes: { Dog }' }
  throws(t, refused, () => root.get('dog'))
  throws(t, refused, () => root.get('record').dog)
  throws(t, refused, () => root.get('list')[1])
  throws(t, refused, () => [...root.values()])
  t.deepEqual([...root.keys()], ['dog', 'record', 'list'])
  t.true(root.has('dog'))
  t.true('dog' in root.get('record'))
  t.is(root.get('record').other, 1)
  t.is((objects.toPlain(root) as Map<string, any>).get('dog').name, 'rex')
  root.get('record').dog = 'replaced'
  root.get('list')[1] = 'replaced'
  t.true(root.delete('dog'))
  t.deepEqual(objects.toPlain(root), new Map<string, unknown>([['record', { dog: 'replaced', other: 1 }], ['list', [1, 'replaced']]]))
})

test('inspect shows what is beside an instance of a class that is not known', (t) => {
  const store = kept(t)
  const [a, b] = [Dog.of('a'), Dog.of('b')]
  store.root.set('dog', a).set(b, 'key').set('record', { dog: a, other: 1 }).set('list', [1, a, 2]).set('set', new Set([a, 'x']))
  store.root.set('sorted', store.store.sortedMap<number, unknown>([[1, a], [2, 'two']]))
  const root = store.reopen({ classes: {} })
  t.is(inspect(root.get('record')), 'live { dog: <unknown class "Dog">, other: 1 }')
  t.is(inspect(root.get('list')), 'live [ 1, <unknown class "Dog">, 2 ]')
  t.is(inspect(root.get('set')), 'live Set(2) { <unknown class "Dog">, \'x\' }')
  t.is(inspect(root.get('sorted')), 'live Map(2) { 1 => <unknown class "Dog">, 2 => \'two\' }')
  t.regex(inspect(root), /'dog' => <unknown class "Dog">,\s+<unknown class "Dog"> => 'key'/)
  // What is shown is kept nowhere.
  throws(t, 'ERR_PMEM_CLASS', () => root.get('record').dog)
  throws(t, 'ERR_PMEM_CLASS', () => root.get('list')[1])
})

test('inspect shows what is beside an instance whose attached() throws', (t) => {
  class Bad extends objects.Persistent {
    attached(): void {
      throw new RangeError('mine')
    }
  }
  const store = open(t, () => new Map<string, any>(), { classes: { Bad } })
  store.root.set('it', { bad: new Bad(), other: 1 })
  store.close()
  const { root } = reopened(t, store, { classes: { Bad } })
  t.is(inspect(root.get('it')), 'live { bad: <RangeError>, other: 1 }')
})

test('a class may be stored under another name than its own', (t) => {
  const store = kept(t, { classes: { 'an animal': Animal } })
  store.root.set('it', Animal.of('x'))
  t.is(store.reopen().get('it').sound(), 'x is silent')
  throws(t, { code: 'ERR_PMEM_CLASS', says: 'an animal' }, () => store.reopen({ classes: { Animal } }).get('it'))
})

test('an instance is of one store', (t) => {
  const [one, other] = [kept(t), kept(t)]
  const dog = new Dog()
  one.root.set('dog', dog)
  throws(t, { code: 'ERR_PMEM_UNCLONEABLE', says: 'another store' }, () => other.root.set('dog', dog))
  throws(t, 'ERR_PMEM_UNCLONEABLE', () => other.root.set('deep', [{ dog }]))
  t.is(other.root.size, 0)
  other.root.set('dog', objects.toPlain(dog))
  t.deepEqual(objects.toPlain(other.root.get('dog')), { name: 'nobody', legs: 4, tricks: [] })
})

test('instances that refer to each other are stored as they are', (t) => {
  const store = kept(t)
  const [one, other]: any[] = [new Dog(), new Dog()]
  one.friend = other
  other.friend = one
  one.self = one
  one.all = [one, other, { one }]
  store.root.set('one', one)
  t.is(one.friend, other)
  t.is(one.friend.friend, one)
  t.is(one.all[2].one, one)
  const again = store.reopen().get('one')
  t.is(again.self, again)
  t.is(again.friend.friend, again)
  t.is(again.all[1], again.friend)
  const plain: any = objects.toPlain(again)
  t.is(plain.friend.friend, plain)
})

test('instances are keys of maps and members of sets', (t) => {
  const store = kept(t)
  const [dog, animal] = [new Dog(), new Animal()]
  store.root.set('map', new Map<unknown, string>([[dog, 'dog']])).set('set', new Set([animal])).set('dog', dog)
  const { root } = store
  root.get('map').set(animal, 'animal')
  root.get('set').add(dog)
  t.deepEqual([root.get('map').get(dog), root.get('map').get(animal), root.get('set').has(dog)], ['dog', 'animal', true])
  t.false(root.get('map').has(new Dog()))
  const again = store.reopen()
  const [first, second] = again.get('map').keys()
  t.true(first instanceof Dog && second instanceof Animal)
  t.is(first, again.get('dog'))
  t.deepEqual([again.get('map').get(second), again.get('set').has(second), again.get('set').has(first)], ['animal', true, true])
})

test('toPlain gives a plain object of an instance, stored or not', (t) => {
  const { root } = kept(t)
  const dog = Dog.of('rex')
  const expected = { name: 'rex', legs: 4, tricks: [] }
  t.deepEqual(objects.toPlain(dog) as object, expected)
  t.is(Object.getPrototypeOf(objects.toPlain(dog)), Object.prototype)
  root.set('dog', dog)
  t.deepEqual(objects.toPlain(dog) as object, expected)
  t.is(Object.getPrototypeOf(objects.toPlain(dog)), Object.prototype)
})

test('toPlain copies what is in an instance that is not stored as deeply as in one that is', (t) => {
  const [one, other]: any[] = [new Dog(), new Dog()]
  one.friend = other
  other.friend = one
  one.deep = new Map([['list', [other, new Set([one])]]])
  const plain: any = objects.toPlain(one)
  t.false(objects.isPersistent(plain.friend))
  t.is(plain.friend.friend, plain)
  t.is(plain.deep.get('list')[0], plain.friend)
  t.true(plain.deep.get('list')[1].has(plain))
  plain.tricks.push('roll')
  t.deepEqual(one.tricks, [])
})

test('an object that is made from a class becomes the stored one by store.object', (t) => {
  const { store } = kept(t)
  const dog = new Dog()
  t.is(store.object(dog), dog)
  t.is(store.object(dog), dog)
  store.root = dog
  t.is(store.root, dog)
})

test('an instance is not frozen, sealed, or given another prototype or accessors', (t) => {
  const { root } = kept(t)
  for (const dog of [new Dog(), new Dog()]) {
    t.throws(() => Object.freeze(dog), { instanceOf: TypeError })
    t.throws(() => Object.setPrototypeOf(dog, null), { instanceOf: TypeError })
    t.throws(() => Object.defineProperty(dog, 'x', { get: () => 1, configurable: true, enumerable: true }), { instanceOf: TypeError })
    throws(t, 'ERR_PMEM_UNCLONEABLE', () => ((dog as any)[Symbol('s')] = 1))
    root.set('dog', dog)
  }
})

test('what is no class that extends Persistent is refused, and defaults that would be shared', (t) => {
  // oxlint-disable-next-line typescript/no-extraneous-class -- that it is no other class is what is tested
  const bad: unknown[] = [1, null, {}, 'x', class {}, () => 1, objects.Persistent.prototype, new Dog()]
  for (const it of bad) throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: 'options.classes.It' }, () => open(t, undefined, { classes: { It: it as never } }))
  for (const value of [[], {}, new Map(), () => 1, Symbol('s')]) {
    class It extends objects.Persistent {
      static defaults = { value }
    }
    throws(t, { code: 'ERR_INVALID_ARG_VALUE', says: 'options.classes.It' }, () => open(t, undefined, { classes: { It } }))
  }
  class Volatile extends objects.Persistent {
    static volatile = 'name' as never
  }
  throws(t, { code: 'ERR_INVALID_ARG_VALUE', says: 'volatile' }, () => open(t, undefined, { classes: { Volatile } }))
  throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"classes"' }, () => open(t, undefined, { classes: 1 as never }))
})

test('Persistent is called by new alone', (t) => {
  t.throws(() => (objects.Persistent as unknown as () => void)(), { instanceOf: TypeError })
})

test('a subclass that overrides a field of its base has the value that was set last', (t) => {
  class Base extends objects.Persistent {
    value = 'base'
    own = 'base'
  }
  class Derived extends Base {
    override value = 'derived'
  }
  const store = kept(t, { classes: { Base, Derived } })
  store.root.set('it', new Derived())
  t.deepEqual({ ...store.reopen().get('it') }, { value: 'derived', own: 'base' })
})

test('a class whose field is called like a method or __proto__ keeps both apart', (t) => {
  class Odd extends objects.Persistent {
    attach(): string {
      return 'method'
    }
  }
  const store = kept(t, { classes: { Odd } })
  const odd: any = new Odd()
  Object.defineProperty(odd, '__proto__', { value: 'own', enumerable: true, writable: true, configurable: true })
  odd.attach = 'field'
  store.root.set('odd', odd)
  const again = store.reopen().get('odd')
  t.deepEqual([again.attach, Object.keys(again), again instanceof Odd], ['field', ['__proto__', 'attach'], true])
  delete again.attach
  t.is(again.attach(), 'method')
})
