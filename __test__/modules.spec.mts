/** The package as an ES module, beside itself as CommonJS. */

import { createRequire } from 'node:module'
import test from 'ava'
import all, { capabilities, pmem } from 'pmem'
import { file, text } from './helpers/files.js'

const cjs = createRequire(import.meta.url)('pmem') as typeof import('pmem')

/** The names of a module's exports, without those that the way of loading it adds. */
function names(module: object): string[] {
  const added = ['default', '__esModule', 'module.exports']
  return Object.keys(module).filter((name) => !added.includes(name)).toSorted()
}

test('both are one', async (t) => {
  const esm = await import('pmem')
  t.true(names(cjs).includes('pmem'))
  t.deepEqual(names(esm), names(cjs))
  for (const name of names(cjs)) t.is(Reflect.get(esm, name), Reflect.get(cjs, name), name)
  t.is(pmem, cjs.pmem)
  t.is(capabilities, cjs.capabilities)
})

test('what people try first works: the default export, and the functions of pmem by themselves', (t) => {
  for (const everything of [all, cjs, cjs.default]) {
    t.is(everything.mapFile, pmem.mapFile)
    t.is(everything.Region, pmem.Region)
    t.is(everything.pmem, pmem)
    t.is(everything.pmemlog.create, cjs.pmemlog.create)
  }
  const typed: all.Region = all.map(file(t))
  typed.close()
})

test('the names of the pmem module', (t) => {
  t.deepEqual(names(pmem), [
    'DrainContext', 'FlushContext', 'Region', 'attach', 'checkVersion', 'drain', 'flush', 'hasAutoFlush', 'hasHwDrain', 'isPmem',
    'map', 'mapFile', 'msync', 'persist', 'unmap',
  ])
})

test('what one opens the other uses and closes', (t) => {
  const path = file(t)
  const region = pmem.map(path)
  t.true(region instanceof cjs.pmem.Region)
  region.write('one')
  cjs.pmem.persist(region, 0, 3)
  new cjs.pmem.FlushContext(region).run((given) => given.write(', two'))
  t.true(region.closed)
  const other = cjs.pmem.map(path)
  t.is(other.read(8).toString(), 'one, two')
  pmem.unmap(other)
  t.throws(() => other.read(), { code: 'ERR_PMEM_CLOSED' })
  t.is(text(path, 8), 'one, two')
})
