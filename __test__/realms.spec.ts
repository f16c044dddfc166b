/* eslint-disable unicorn/no-thenable -- they are what is tested */
/** In another realm everything is of that realm's classes, and what callers pass may be of any. */

import { pathToFileURL } from 'node:url'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import { pmem } from 'pmem'
import { file, mapped } from './helpers/files.js'
import { newRealm } from './helpers/realms.js'

const realm = newRealm()
const { pmem: inside, pmemblk, pmemlog } = realm.package
const isError = realm.run('(error, name) => error instanceof globalThis[name] && error instanceof Error') as (
  error: unknown,
  name: string,
) => boolean

/** What is thrown, or how a promise is rejected. */
async function thrown(act: () => unknown): Promise<unknown> {
  try {
    await act()
  } catch (error) {
    return error
  }
  return undefined
}

test('errors are instances of the classes of the realm', async (t) => {
  const log = pmemlog.create(`${file(t)}.log`)
  const blocks = pmemblk.create(`${file(t)}.blk`)
  const readonly = inside.map(file(t), undefined, { readonly: true })
  const full = Buffer.alloc(log.nbyte() + 1)
  blocks.setError(3)
  const cases: [code: string, name: string, act: () => unknown][] = [
    ['ENOENT', 'Error', () => inside.map('missing')],
    ['ERR_OUT_OF_RANGE', 'RangeError', () => pmemlog.create(`${file(t)}.small`, 1)],
    ['ERR_OUT_OF_RANGE', 'RangeError', () => inside.map(file(t), 4096, { offset: 1 })],
    ['ERR_PMEM_VERSION', 'Error', () => inside.checkVersion(99, 0)],
    ['ERR_PMEM_CORRUPT', 'Error', () => pmemlog.open(file(t))],
    ['ENOSPC', 'Error', () => log.append(full)],
    ['ENOSPC', 'Error', () => log.appendAsync(full)],
    ['EACCES', 'Error', () => readonly.persist()],
    ['EACCES', 'Error', () => readonly.persistAsync()],
    ['EACCES', 'Error', () => readonly.fill(1)],
    ['EIO', 'Error', () => blocks.read(3)],
    ['ERR_INVALID_ARG_TYPE', 'TypeError', () => log.append(7 as never)],
  ]
  for (const [code, name, act] of cases) {
    const error = await thrown(act)
    t.is((error as NodeJS.ErrnoException).code, code)
    t.true(isError(error, name), `${String(error)} is of another realm`)
  }
  for (const opened of [log, blocks, readonly]) opened.close()
})

test('regions, logs and blocks work in a realm', async (t) => {
  const region = inside.mapFile(file(t), { length: 65_536, create: true })
  region.write('written')
  region.persist()
  region.close()
  const log = pmemlog.create(`${file(t)}.log`)
  await log.appendAsync('one')
  log.appendMany(['two', new Uint8Array([33])])
  t.is(log.read(0, 7).toString(), 'onetwo!')
  log.close()
})

test('closing a WebAssembly memory empties its views, whosever ArrayBuffer the realm has', (t) => {
  const region = inside.map(file(t, 65_536), undefined, { memory: 'wasm' })
  const bytes = region.view(Uint8Array)
  region.close()
  t.is(bytes.length, 0)
})

test('a URL, bytes and a view class may be of another realm', (t) => {
  const path = file(t, 65_536)
  const { href, protocol, pathname } = pathToFileURL(path)
  pmem.map({ href, protocol, pathname }).close()
  const region = pmem.map(path)
  region.write(runInNewContext('new Uint8Array([65, 66])') as Uint8Array)
  t.is(region.view(runInNewContext('Uint8Array') as typeof Uint8Array)[1], 66)
  region.close()
})

test('scopes wait for promises of another realm, and for whatever has a method then', async (t) => {
  const later = (value: number): unknown[] => [
    runInNewContext('Promise.resolve(value)', { value }),
    { then: (resolve: (value: number) => void) => void setImmediate(resolve, value) },
    Object.assign(() => {}, { then: (resolve: (value: number) => void) => void setImmediate(resolve, value) }),
  ]
  for (const result of later(7)) {
    const { region } = mapped(t)
    const end = new pmem.FlushContext(region).run(() => result)
    t.false(region.closed)
    t.is(await end, 7 as never)
    t.true(region.closed)
  }
  const { region } = mapped(t)
  const failing = new pmem.FlushContext(region).run(() => runInNewContext('Promise.reject(7)') as Promise<void>)
  t.is(await thrown(() => failing), 7)
  t.true(region.closed)
})

test('a result whose method then cannot be asked for ends a scope', (t) => {
  const { region } = mapped(t)
  const result = {
    get then(): never {
      throw new Error('not this one')
    },
  }
  t.throws(() => new pmem.FlushContext(region).run(() => result), { message: 'not this one' })
  t.true(region.closed)
})
