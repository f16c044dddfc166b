/** Nobody constructs what has a handle: one of their choice would be another's, or drop it when it is collected. */

import { setImmediate } from 'node:timers/promises'
import test from 'ava'
import { pmem, pmemblk, pmemlog } from 'pmem'
import { mapped } from './helpers/files.js'

test('the classes that modules make have no constructor', async (t) => {
  const { region } = mapped(t)
  class Own extends (pmem.Region as unknown as new (...args: unknown[]) => object) {}
  const info = { handle: 1, byteLength: 4096, isPmem: false, readonly: false, engine: 'rust', nbyte: 1, bsize: 1, nblock: 1 }
  for (const Class of [pmem.Region, pmemlog.Log, pmemblk.BlockArray, Own] as unknown as (new (...args: unknown[]) => object)[]) {
    for (const args of [[], ['x'], [info], [info, 'external'], [Symbol('inside'), info, 'external'], [undefined, info]]) {
      t.throws(() => new Class(...args), { instanceOf: TypeError, code: 'ERR_ILLEGAL_CONSTRUCTOR', message: /has no constructor: call pmem/ })
    }
  }
  globalThis.gc!()
  await setImmediate()
  globalThis.gc!()
  await setImmediate()
  t.is(region.write('still open'), 10)
})

test('nor in the types', (t) => {
  t.throws(() => {
    // @ts-expect-error -- private
    void new pmem.Region()
  })
  t.throws(() => {
    // @ts-expect-error -- private
    void new pmemlog.Log()
  })
  t.throws(() => {
    // @ts-expect-error -- private
    void new pmemblk.BlockArray()
  })
})
