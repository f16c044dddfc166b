/** What the types say. That this compiles is most of the test. */

import test from 'ava'
import { type EngineName, capabilities, pmem } from 'pmem'
import { file } from './helpers/files.js'

class Counters extends Int32Array {
  increment(index: number): void {
    this[index] = (this[index] ?? 0) + 1
  }
}

test('views are of the class that was asked for, over the memory that there is', (t) => {
  const path = file(t, 65_536)
  using region: pmem.Region = pmem.map(path)
  const numbers: Int32Array<ArrayBuffer> = region.view(Int32Array)
  const data: DataView<ArrayBuffer> = region.view(DataView)
  region.view(Counters).increment(0)
  t.is(numbers[0], 1)
  t.is(data.getInt8(0), 1)

  using shared: pmem.Region<SharedArrayBuffer> = pmem.map(path, undefined, { shared: true })
  const counts: Int32Array<SharedArrayBuffer> = shared.view(Int32Array)
  const bytes: DataView<SharedArrayBuffer> = shared.view(DataView)
  const attached: pmem.Region<SharedArrayBuffer> = pmem.attach(shared.buffer)
  for (const any of [region, shared, attached] as pmem.AnyRegion[]) pmem.persist(any)
  new pmem.FlushContext(attached).run((given) => Atomics.add(given.view(BigInt64Array), 1, 1n))
  t.is(counts[0], 1)
  t.is(bytes.getInt8(8), 1)
})

test('capabilities name the engines that calls take', (t) => {
  const engines: readonly EngineName[] = capabilities.engines
  t.true(engines.includes('rust'))
})
