/** Run by Jest and Vitest: a program that keeps its data in a store, tested as its author would. */

const { join } = require('node:path')
const { objects } = require('pmem')

class User extends objects.Persistent {
  name = ''
  tags = []
  get initial() {
    return this.name[0]
  }
}

const begin = (store) => ({
  users: new Map([['ada', { name: 'Ada', born: new Date(0), tags: new Set(['math']) }]]),
  list: [1, { two: 2 }, [3]],
  bytes: Uint8Array.of(1, 2, 3),
  byAge: store.sortedMap([[[36, 'ada'], 'ada']]),
})

let count = 0
let store

beforeEach(() => {
  const path = join(process.env.PMEM_TEST_DIR, `objects-${process.env.PMEM_RUNNER}-${(count += 1)}`)
  store = objects.open(path, { classes: { User }, root: begin })
})

afterEach(() => store.close())

const reopened = () => {
  store.close()
  store = objects.open(store.path, { classes: { User }, create: false })
  return store.root
}

test('live objects are of the classes of the test', () => {
  const { users, list, bytes } = reopened()
  expect(users).toBeInstanceOf(Map)
  expect(users.get('ada').tags).toBeInstanceOf(Set)
  expect(users.get('ada').born).toBeInstanceOf(Date)
  expect(list).toBeInstanceOf(Array)
  expect(Array.isArray(list)).toBe(true)
  expect(bytes).toBeInstanceOf(Uint8Array)
  expect(Object.getPrototypeOf(store.root)).toBe(Object.prototype)
  expect(store.root.users).toBe(users)
})

test('live objects equal plain ones', () => {
  const { users, list, bytes } = reopened()
  expect(list).toEqual([1, { two: 2 }, [3]])
  expect(list).toStrictEqual([1, { two: 2 }, [3]])
  expect(list).toHaveLength(3)
  expect(list).toContain(1)
  expect(list).toContainEqual({ two: 2 })
  expect(bytes).toEqual(Uint8Array.of(1, 2, 3))
  expect(store.root).toHaveProperty('list[1].two', 2)
  expect(store.root).toMatchObject({ list: [1, { two: 2 }, [3]] })
  const ada = { name: 'Ada', born: new Date(0), tags: new Set(['math']) }
  expect(users.get('ada')).toEqual(ada)
  expect(users).toEqual(new Map([['ada', ada]]))
  expect(users.get('ada').tags).toEqual(new Set(['math']))
  expect(objects.toPlain(users)).toStrictEqual(new Map([['ada', ada]]))
  expect([...store.root.byAge]).toEqual([[[36, 'ada'], 'ada']])
})

test('what differs is told apart, and items are shown', () => {
  const { users, list } = store.root
  expect(list).not.toEqual([1, { two: 3 }, [3]])
  expect(list).not.toEqual([1, { two: 2 }])
  expect(users).not.toEqual(new Map())
  expect(users).not.toEqual(new Map([['ada', { name: 'Bob' }]]))
  expect(users.get('ada')).not.toEqual({ name: 'Ada' })
  expect(users.get('ada').tags).not.toEqual(new Set(['art']))
  // Two live ones are compared by what is in them.
  expect(store.map([['a', 1]])).not.toEqual(store.map([['a', 2]]))
  expect(store.set([1])).not.toEqual(store.set([2]))
  expect(store.map([['a', 1]])).toEqual(store.map([['a', 1]]))
  for (const said of [/two: 2|"two": 2/, /two: 3|"two": 3/]) expect(() => expect(list).toEqual([1, { two: 3 }, [3]])).toThrow(said)
})

test('instances are of their class', () => {
  const ada = new User()
  ada.name = 'Ada'
  ada.tags.push('math')
  store.root.user = ada
  expect(store.root.user).toBe(ada)
  const { user } = reopened()
  expect(user).toBeInstanceOf(User)
  expect(user.initial).toBe('A')
  expect(user).toEqual({ name: 'Ada', tags: ['math'] })
  expect(user).toMatchObject({ name: 'Ada' })
})

test('errors are of the classes of the test', async () => {
  const { list, users } = store.root
  expect(() => users.set('bob', () => 1)).toThrow(TypeError)
  expect(() => users.set('bob', { name: () => 1 })).toThrow("root.users.get('bob').name: a function cannot be stored")
  expect(() => (list[10] = 1)).toThrow(RangeError)
  expect(() => objects.open('missing', { create: false })).toThrow(/ENOENT/)
  const thrown = new Error('mine')
  const failing = () => {
    list.push(4)
    throw thrown
  }
  expect(() => store.transaction(failing)).toThrow(thrown)
  await expect(store.transactionAsync(failing)).rejects.toBe(thrown)
  await expect(store.transactionAsync(() => list.length)).resolves.toBe(3)
  expect(() => store.transaction(async () => {})).toThrow(expect.objectContaining({ code: 'ERR_PMEM_ASYNC' }))
  expect(() => structuredClone(list)).toThrow(/could not be cloned/)
  expect(() => structuredClone(users)).toThrow(/could not be cloned/)
  expect(structuredClone(objects.toPlain(list))).toEqual([1, { two: 2 }, [3]])
  store.close()
  expect(() => list.length).toThrow(expect.objectContaining({ code: 'ERR_PMEM_CLOSED' }))
})
