/** That the API pages have what the package exports, and nothing else. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import test from 'node:test'
import { path, pathsIn } from './paths.mjs'

const pmem = createRequire(import.meta.url)('../../dist/index.js')

const MODULES = ['objects', 'journal', 'pmem', 'pmemlog', 'pmemblk']
const page = (module) => readFileSync(path(`../build/pages/api/${module}.md`), 'utf8')

/** The names that a page's headings of a level have. */
const named = (module, level) => [...page(module).matchAll(new RegExp(`^${'#'.repeat(level)} ([\\w\\\\]+)(?:\\(\\))? \\{#.+\\}$`, 'gm'))].map(([, name]) => name.replaceAll('\\', ''))

const isClass = (value) => typeof value === 'function' && Function.prototype.toString.call(value).startsWith('class ')

/** Members that are nobody's but the package's, by what the source says of them. */
const inner = new Set(sources().flatMap((text) => [...text.matchAll(/(?:@internal[^]*?\*\/\s+|\bprotected )(?:(?:protected|abstract|override|readonly) )*(\w+)/g)]).map(([, name]) => name))
inner.delete('constructor')

for (const module of MODULES) {
  test(`${module}: each function and class of it is there, with what it does`, () => {
    const exported = Object.keys(pmem[module]).filter((name) => name !== 'default')
    assert.deepEqual(exported.filter((name) => !named(module, 2).includes(name)), [])
    assert.match(page(module), new RegExp(`^import \\{ ${module} \\} from 'pmem'$`, 'm'))
  })

  test(`${module}: each member of its classes is there, and no inner one`, () => {
    const members = new Set(Object.values(pmem[module]).filter(isClass).flatMap(membersOf))
    const shown = named(module, 3)
    assert.deepEqual([...members].filter((name) => !inner.has(name) && !shown.includes(name)), [])
    assert.deepEqual(shown.filter((name) => inner.has(name)), [])
  })
}

test('nothing internal is named', () => {
  assert.ok(inner.has('session') && inner.has('settle') && inner.has('closeAtExit'))
  for (const module of [...MODULES, 'pino', 'native-binding', 'index']) assert.doesNotMatch(page(module), /\b(INSIDE|Session|Reader|@internal)\b|^### \\_/m)
})

/** The text of all modules. */
function sources() {
  const folder = path('../../ts')
  return pathsIn(folder).filter((name) => !name.includes('/cli/')).map((name) => readFileSync(folder + name, 'utf8'))
}

/** The names of what instances of a class have, of it and of its parents. */
function membersOf({ prototype }) {
  const names = []
  for (let own = prototype; own && own !== Object.prototype; own = Object.getPrototypeOf(own)) names.push(...Object.getOwnPropertyNames(own))
  return names.filter((name) => name !== 'constructor')
}
