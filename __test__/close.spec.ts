import { readFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { pmem } from 'pmem'
import { rejects, throws } from './helpers/errors.js'
import { mapped, text } from './helpers/files.js'
import { linux } from './helpers/linux.js'
import { mappings } from './helpers/memory.js'

/** The arguments that a method is called with on a closed region: right ones, none, and wrong ones. */
const ARGUMENTS: Record<string, readonly unknown[]> = {
  grow: [8192],
  write: ['x'],
  read: [1],
  seek: [0],
  view: [Uint8Array, 0, 1],
  persist: [0, 1],
  flush: [0, 1],
  msync: [0, 1],
  drain: [],
  persistMany: [[[0, 1]]],
  persistAsync: [0, 1],
  copyFrom: ['x', 0],
  fill: [1, 0, 1],
  advise: ['random', 0, 1],
}

const WRONG = [[], [undefined], [null, null, null], [-1, -1, -1], [Number.NaN], ['x', 'y', 'z'], [{}, {}, {}], [4097], [Symbol('w')]]

type Method = (...args: unknown[]) => unknown

/** Names of the class's members of one sort, but those that a closed region has. */
function members(sort: 'get' | 'value'): string[] {
  const all = Object.entries(Object.getOwnPropertyDescriptors(pmem.Region.prototype))
  const open = all.filter(([name, descriptor]) => descriptor[sort] && !['constructor', 'closed', 'close'].includes(name))
  return open.map(([name]) => name)
}

test('every getter but those that are always known', (t) => {
  const { region } = mapped(t)
  region.close()
  t.true(region.closed)
  t.deepEqual(members('get').toSorted(), ['buffer', 'byteLength', 'isPmem', 'memory', 'path', 'position', 'readonly'])
  for (const name of members('get').filter((member) => member !== 'path' && member !== 'readonly')) throws(t, 'ERR_PMEM_CLOSED', () => Reflect.get(region, name), name)
})

test('every method, whatever its arguments', async (t) => {
  const { path, region } = mapped(t)
  region.close()
  t.deepEqual(members('value').toSorted(), Object.keys(ARGUMENTS).toSorted())
  for (const [name, right] of Object.entries(ARGUMENTS)) {
    const method = Reflect.get(region, name) as Method
    for (const args of [right, ...WRONG]) {
      if (name === 'persistAsync') await rejects(t, 'ERR_PMEM_CLOSED', () => Reflect.apply(method, region, [...args]) as Promise<void>)
      else throws(t, 'ERR_PMEM_CLOSED', () => Reflect.apply(method, region, args), name)
    }
  }
  t.deepEqual(readFileSync(path), Buffer.alloc(4096))
})

test('every function of the module', (t) => {
  const { region } = mapped(t)
  region.close()
  for (const use of [pmem.persist, pmem.flush, pmem.msync, pmem.drain, pmem.unmap, pmem.isPmem]) {
    throws(t, 'ERR_PMEM_CLOSED', () => use(region), use.name)
  }
  throws(t, 'ERR_PMEM_CLOSED', () => pmem.persist(region, -1, Number.NaN))
})

test('closing twice, and disposing afterwards, does nothing', (t) => {
  const { region } = mapped(t)
  t.is(region.close(), undefined)
  t.is(region.close(), undefined)
  t.is(region[Symbol.dispose](), undefined)
  t.true(region.closed)
})

test('unmap closes, once', (t) => {
  const { region } = mapped(t)
  t.is(pmem.unmap(region), undefined)
  t.true(region.closed)
  throws(t, 'ERR_PMEM_CLOSED', () => pmem.unmap(region))
})

test('a scope persists and closes at its end, also by a throw', (t) => {
  const { path, region } = mapped(t)
  const failure = new Error('the scope failed')
  const thrown = t.throws(() => {
    using scoped = region
    scoped.write('kept')
    throw failure
  })
  t.is(thrown, failure)
  t.true(region.closed)
  t.is(text(path, 4), 'kept')
})

linux('the file is unmapped at once', (t) => {
  const { path, region } = mapped(t)
  region.write('x')
  t.is(mappings(path), 1)
  region.close()
  t.is(mappings(path), 0)
})

linux('views are emptied, and the file is unmapped, although they live', (t) => {
  const content = Buffer.alloc(2 ** 16, 'as it was')
  const { path, region } = mapped(t, content)
  const { buffer } = region
  const bytes = new Uint8Array(buffer)
  const views = [bytes, region.view(Int8Array, 1, 2), bytes.subarray(2, 4), Buffer.from(buffer)]
  const data = region.view(DataView)
  region.close()
  t.is(mappings(path), 0)
  t.is(buffer.byteLength, 0)
  for (const view of views) {
    t.is(view.length, 0)
    t.is(view.byteLength, 0)
    view[0] = 1
    t.false(0 in view)
  }
  t.throws(() => data.getUint8(0), { instanceOf: TypeError })
  t.throws(() => new Uint8Array(buffer), { instanceOf: TypeError })
  t.deepEqual(readFileSync(path), content)
})

test('a handle is not used again', (t) => {
  const { region: first } = mapped(t)
  first.close()
  const { region: second } = mapped(t, 'second')
  throws(t, 'ERR_PMEM_CLOSED', () => first.read())
  first.close()
  t.is(second.read().toString(), 'second')
})

test('regions over the same file close on their own', (t) => {
  const { path, region } = mapped(t, 'shared')
  const other = pmem.map(path)
  const view = other.view(Uint8Array)
  region.close()
  t.is(view.length, 6)
  view[0] = 0x53
  t.is(readFileSync(path, 'utf8'), 'Shared')
  other.close()
  t.is(view.length, 0)
})

test('persistAsync: a close right after the call', async (t) => {
  const { path, region } = mapped(t, 2 ** 20)
  region.fill(1, 0, 2 ** 20, { durable: false })
  const pending = region.persistAsync()
  region.close()
  t.is(await pending, undefined)
  t.deepEqual(readFileSync(path), Buffer.alloc(2 ** 20, 1))
})

linux('persistAsync: a close with a live view', async (t) => {
  const { path, region } = mapped(t, 2 ** 20)
  const view = region.view(Uint8Array)
  view.fill(1)
  const pending = Promise.all([region.persistAsync(), region.persistAsync(0, 1), region.persistAsync(4096)])
  region.close()
  t.is(view.length, 0)
  await pending
  t.deepEqual(readFileSync(path), Buffer.alloc(2 ** 20, 1))
  t.is(mappings(path), 0)
})

/** Data whose length closes the region as it is asked for. */
function closing(region: pmem.Region): Uint8Array {
  return new (class extends Uint8Array {
    override get byteLength(): number {
      region.close()
      return super.byteLength
    }
  })(16)
}

for (const touched of [false, true]) {
  const body = (t: ExecutionContext) => {
    const { path, region } = mapped(t)
    if (touched) t.is(region.view(Uint8Array).length, 4096)
    throws(t, 'ERR_PMEM_CLOSED', () => region.write(closing(region)))
    const { region: other } = mapped(t)
    if (touched) t.is(other.view(Uint8Array).length, 4096)
    throws(t, 'ERR_PMEM_CLOSED', () => other.copyFrom(closing(other)))
    t.deepEqual(readFileSync(path), Buffer.alloc(4096))
  }
  test(`data that closes the region as it is written${touched ? ', with a view' : ''}`, body)
}

test('options that close the region as they are read', (t) => {
  const options = (region: pmem.Region) => ({
    get durable() {
      region.close()
      return true
    },
  })
  const { region } = mapped(t)
  throws(t, 'ERR_PMEM_CLOSED', () => region.copyFrom('x', 0, options(region)))
  const { region: other } = mapped(t)
  throws(t, 'ERR_PMEM_CLOSED', () => other.fill(0, 0, 1, options(other)))
})

test('ranges that close the region as they are read', (t) => {
  const { region } = mapped(t)
  function* ranges(): Generator<[number, number]> {
    yield [0, 10]
    region.close()
    yield [10, 10]
  }
  throws(t, 'ERR_PMEM_CLOSED', () => region.persistMany(ranges()))
  const { region: other } = mapped(t)
  const pair = [0, 0] as [number, number]
  Object.defineProperty(pair, 1, { get: () => (other.close(), 10) })
  throws(t, 'ERR_PMEM_CLOSED', () => other.persistMany([pair]))
})

test('a view class that closes the region as it is made', (t) => {
  const { region } = mapped(t)
  class Closing extends Uint8Array {
    constructor(buffer: ArrayBuffer, byteOffset?: number, length?: number) {
      region.close()
      super(buffer, byteOffset, length)
    }
  }
  t.throws(() => region.view(Closing), { instanceOf: TypeError })
  const { region: other } = mapped(t)
  class Asking extends Uint8Array {}
  Object.defineProperty(Asking, 'BYTES_PER_ELEMENT', { get: () => (other.close(), 1) })
  throws(t, 'ERR_PMEM_CLOSED', () => other.view(Asking))
})
