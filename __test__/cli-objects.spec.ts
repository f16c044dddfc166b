import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { objects } from 'pmem'
import { done, failed } from './helpers/cli.js'
import { folder } from './helpers/files.js'

class User extends objects.Persistent {
  name = ''
  visits = 0
}

/** A store with all that there can be in one. */
function everything(t: ExecutionContext): string {
  const here = folder(t)
  const store = objects.open(join(here, 'a.store'), {
    classes: { User },
    version: 2,
    root: (made) => {
      const shared = made.object({ name: 'shared' })
      const circle: Record<string, unknown> = { name: 'circle' }
      circle.self = circle
      const ada = Object.assign(new User(), { name: 'Ada', visits: 3 })
      return {
        visits: 7,
        texts: ['', 'ünï', 'line\nfeed', '"quoted"'],
        numbers: [0, -0, 1.5, NaN, Infinity, -Infinity, 2n ** 70n, -5n],
        nothing: [null, undefined, true, false],
        date: new Date(1e12),
        bytes: [new Uint8Array([1, 2, 255]), new Float64Array([0.5]), new Uint16Array([65535]).buffer, new DataView(new ArrayBuffer(2))],
        users: new Map<unknown, unknown>([['ada', ada], [3, 'three'], [2n, 'two'], [undefined, null]]),
        tags: new Set<unknown>(['a', 1, shared]),
        sorted: made.sortedMap<objects.SortedKey, unknown>([['b', 1], [['a', 2], { deep: [shared] }]]),
        odd: { $map: 'no map', 'a name': { 'with "quotes"': 1 } },
        again: [shared, shared],
        circle,
      }
    },
  })
  store.close()
  return here
}

test('what is exported and imported is what it was', (t) => {
  const here = everything(t)
  const text = done(t, here, ['objects', 'export', '--json', 'a.store'])
  t.notThrows(() => JSON.parse(text))
  t.is(done(t, here, ['objects', 'import', 'b.store'], text), '')
  const [before, after] = ['a.store', 'b.store'].map((name) => objects.open(join(here, name), { classes: { User }, version: name === 'a.store' ? 2 : 0, readonly: true }))
  const [plain, copy] = [objects.toPlain(before!.root), objects.toPlain(after!.root)] as [Record<string, unknown>, Record<string, unknown>]
  t.deepEqual(copy, plain)
  t.is(copy.circle, (copy.circle as { self: unknown }).self)
  t.is((copy.again as unknown[])[0], (copy.again as unknown[])[1])
  t.is((copy.again as unknown[])[0], [...(copy.tags as Set<unknown>)][2])
  const root = after!.root as { users: Map<string, User>; sorted: objects.SortedMap<objects.SortedKey, unknown> }
  t.true(root.users.get('ada') instanceof User && root.sorted instanceof objects.SortedMap)
  before!.close()
  after!.close()
})

test('plain JSON becomes a store, and replaces one where that is said', (t) => {
  const here = folder(t)
  const plain = { users: [{ name: 'Ada' }, { name: 'Grace' }], deep: [[[[]]]], none: {}, text: 'a' }
  done(t, here, ['objects', 'import', 'a.store'], JSON.stringify(plain))
  t.deepEqual(JSON.parse(done(t, here, ['objects', 'get', 'a.store'])), plain)
  failed(t, here, ['objects', 'import', 'a.store'], 1, /has something in it already: --replace/, '{}')
  failed(t, here, ['objects', 'import', '--replace', 'a.store'], 1, /no JSON/, '{')
  failed(t, here, ['objects', 'import', '--replace', 'a.store'], 1, /\$ref to 5/, '{"a":{"$ref":5}}')
  failed(t, here, ['objects', 'import', '--replace', 'a.store'], 1, /\$what is not known/, '{"a":{"$what":5}}')
  t.deepEqual(JSON.parse(done(t, here, ['objects', 'get', 'a.store'])), plain)
  done(t, here, ['objects', 'import', '--replace', 'a.store'], '[1]')
  t.is(done(t, here, ['objects', 'get', 'a.store']), '[1]\n')
})

test('depth needs no stack', (t) => {
  const here = folder(t)
  const deep = `${'[{"a":'.repeat(20_000)}1${'}]'.repeat(20_000)}`
  done(t, here, ['objects', 'import', 'a.store'], deep)
  t.is(done(t, here, ['objects', 'export', '--json', 'a.store']).trimEnd(), deep)
})

test('paths lead to what error messages call by them', (t) => {
  const here = everything(t)
  const get = (path: string) => done(t, here, ['objects', 'get', 'a.store', path]).trimEnd()
  t.is(get('visits'), '7')
  t.is(get('root.visits'), '7')
  t.is(get('texts[1]'), '"ünï"')
  t.is(get('users.get("ada").name'), '"Ada"')
  t.is(get("users.get('ada').visits"), '3')
  t.is(get('users.ada.visits'), '3')
  t.is(get('users.get(3)'), '"three"')
  t.is(get('users.get(2n)'), '"two"')
  t.is(get('users.get(undefined)'), 'null')
  t.is(get('sorted.get(["a",2]).deep[0].name'), '"shared"')
  t.is(get('odd["a name"][\'with "quotes"\']'), '1')
  t.is(get('numbers[6]'), `{"$bigint":"${2n ** 70n}"}`)
  failed(t, here, ['objects', 'get', 'a.store', 'users.get("bob")'], 1, /there is no root\.users\.get\('bob'\)/)
  failed(t, here, ['objects', 'get', 'a.store', 'visits.more'], 1, /root\.visits is a? ?number/)
  failed(t, here, ['objects', 'get', 'a.store', 'users.get(ada)'], 2, /a key is JSON/)
  failed(t, here, ['objects', 'get', 'a.store', '[x]'], 2, /PATH is steps/)
})

test('a value is set where a path leads', (t) => {
  const here = everything(t)
  const set = (path: string, json: string) => done(t, here, ['objects', 'set', 'a.store', path, json])
  const get = (path: string) => done(t, here, ['objects', 'get', 'a.store', path]).trimEnd()
  set('visits', '8')
  set('users.get("bob")', '{"name":"Bob"}')
  set('users.ada.visits', '4')
  set('texts[0]', '"first"')
  set('made', '{"$map":[["a",{"$date":"2026-01-01T00:00:00.000Z"}]]}')
  t.deepEqual([get('visits'), get('users.bob.name'), get('users.ada.visits'), get('texts[0]')], ['8', '"Bob"', '4', '"first"'])
  t.is(get('made'), '{"$map":[["a",{"$date":"2026-01-01T00:00:00.000Z"}]]}')
  failed(t, here, ['objects', 'set', 'a.store', 'visits', 'eight'], 1, /no JSON/)
  failed(t, here, ['objects', 'set', 'a.store', 'nothing.at.all', '1'], 1, /there is no root\.nothing/)
  failed(t, here, ['objects', 'set', 'a.store', 'tags.get("a")', '1'], 1, /a Set has members/)
  failed(t, here, ['objects', 'set', 'missing.store', 'a', '1'], 1, /ENOENT/)
})

test('the tree shows classes that nobody knows, and only so much', (t) => {
  const here = everything(t)
  const tree = done(t, here, ['objects', 'tree', '--depth', '2', 'a.store'])
  t.regex(tree, /^root {2}Object\n {2}\.visits {2}7\n/)
  t.regex(tree, / {2}\.users {2}Map\n {4}\.get\('ada'\) {2}User\n/)
  t.false(tree.includes('Ada'))
  t.is(done(t, here, ['objects', 'tree', '--most', '1', 'a.store', 'texts']), 'texts  Array\n  [0]  ""\n  ...\n')
  t.is(done(t, here, ['objects', 'tree', 'a.store', 'users.ada']), 'users.ada  User\n  .name  "Ada"\n  .visits  3\n')
})

test('a store is looked at, collected and copied', (t) => {
  const here = everything(t)
  done(t, here, ['objects', 'set', 'a.store', 'circle', 'null'])
  t.is(done(t, here, ['objects', 'gc', 'a.store']), '1 containers freed\n')
  done(t, here, ['objects', 'backup', 'a.store', 'b.store'])
  t.is(done(t, here, ['objects', 'get', 'b.store']), done(t, here, ['objects', 'get', 'a.store']))
  t.like(JSON.parse(done(t, here, ['objects', 'stats', '--json', 'a.store'])), { kind: 'store', version: 2 })
})

test('a store that is open elsewhere is left alone', (t) => {
  const here = everything(t)
  const store = objects.open(join(here, 'a.store'), { classes: { User }, version: 2 })
  t.teardown(() => store.close())
  failed(t, here, ['objects', 'get', 'a.store'], 1, /EAGAIN/)
  failed(t, here, ['objects', 'set', 'a.store', 'visits', '1'], 1, /EAGAIN/)
})
