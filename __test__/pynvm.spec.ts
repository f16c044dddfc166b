/** The documented examples of Python's pynvm, as one writes them with this package. */

import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'ava'
import { capabilities, pmem } from 'pmem'
import { external } from './helpers/external.js'
import { file, folder } from './helpers/files.js'

const WRITTEN = `${'lol'.repeat(10)}aaaa`

/** A descriptor of a new file of 4096 bytes. */
function allocated(path: string): number {
  const descriptor = openSync(path, 'w+')
  writeFileSync(descriptor, Buffer.alloc(4096))
  return descriptor
}

test('writing and reading with the cursor', (t) => {
  t.true(pmem.checkVersion(1, 0))
  const path = join(folder(t), 'dst.dat')
  const fhandle = allocated(path)

  const region = pmem.map(fhandle, 4096)
  t.is(region.write('lol'.repeat(10)), 30)
  t.is(region.write('aaaa'), 4)
  region.seek(0)
  t.is(region.read(10).toString(), 'lollolloll')
  t.is(region.read(10).toString(), 'ollollollo')
  pmem.persist(region)

  region.close()
  closeSync(fhandle)
  t.deepEqual(readFileSync(path), Buffer.concat([Buffer.from(WRITTEN), Buffer.alloc(4096 - 34)]))
})

test('a file that mapFile allocates', (t) => {
  const path = join(folder(t), 'dst.dat')
  const region = pmem.mapFile(path, { create: true, length: 4096 })
  for (let time = 0; time < 10; time += 1) region.write('lol')
  region.write('aaaa')
  t.is(region.position, 34)
  region.seek(0)
  t.is(region.read(10).toString(), 'lollolloll')
  t.is(region.read(10).toString(), 'ollollollo')
  pmem.persist(region)
  pmem.unmap(region)
  t.is(readFileSync(path, 'utf8').slice(0, 34), WRITTEN)
})

test('a scope that persists and unmaps at its end', (t) => {
  const path = join(folder(t), 'dst.dat')
  const fhandle = allocated(path)
  let left: pmem.Region
  {
    using region = pmem.map(fhandle, 4096)
    region.write('lol'.repeat(10))
    region.write('aaaa')
    left = region
    t.false(region.closed)
  }
  t.true(left.closed)
  closeSync(fhandle)
  t.is(readFileSync(path, 'utf8').slice(0, 34), WRITTEN)
})

test('a typed array over the region', external((t) => {
  const path = file(t)
  {
    using region = pmem.map(path, 4096)
    const numbers = new Int32Array(region.buffer)
    t.is(numbers.length, 1024)
    numbers[1023] = 0x01020304
  }
  t.deepEqual(readFileSync(path).subarray(4092), Buffer.from(Int32Array.of(0x01020304).buffer))
}))

for (const Context of [pmem.FlushContext, pmem.DrainContext]) {
  test(`${Context.name} unmaps at its end`, (t) => {
    const path = join(folder(t), 'dst.dat')
    const fhandle = allocated(path)
    const region = pmem.map(fhandle, 4096)
    {
      using context = new Context(region)
      context.region.write('lol'.repeat(10))
      context.region.write('aaaa')
    }
    t.true(region.closed)
    closeSync(fhandle)
    t.is(readFileSync(path, 'utf8').slice(0, 34), WRITTEN)
  })

  test(`${Context.name} leaves the region mapped with unmap: false`, (t) => {
    const region = pmem.map(file(t))
    {
      using context = new Context(region, { unmap: false })
      context.region.write('lol')
    }
    t.false(region.closed)
    region.write('lol')
    region.close()
  })
}

test('several ranges are flushed and drained once', (t) => {
  const path = join(folder(t), 'dst.dat')
  const region = pmem.mapFile(path, { create: true, length: 4096 })
  new pmem.FlushContext(region, { unmap: false }).run((flushed) => flushed.write('one'))
  region.seek(1000)
  new pmem.FlushContext(region, { unmap: false }).run((flushed) => flushed.write('two'))
  pmem.drain(region)
  pmem.unmap(region)
  t.is(readFileSync(path, 'utf8').slice(0, 3), 'one')
  t.is(readFileSync(path, 'utf8').slice(1000, 1003), 'two')
})

test('questions about the platform', (t) => {
  t.is(pmem.hasHwDrain(), capabilities.hwDrain)
  t.is(pmem.hasAutoFlush(), capabilities.autoFlush)
  const region = pmem.mapFile(dirname(file(t)), { tmpfile: true, length: 4096 })
  t.is(pmem.isPmem(region), region.isPmem)
  region.close()
})
