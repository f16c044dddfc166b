/** Pages that go under their users: the process lives, and nothing is acknowledged. Each case has a process of its own. */

import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { capabilities } from 'pmem'
import { type FileSystem, onSmall, smallDisk } from './helpers/disks.js'
import { folder } from './helpers/files.js'
import { linux } from './helpers/linux.js'
import { isForcedPmem } from './helpers/pools.js'
import { run } from './helpers/programs.js'

const REGIONS = [
  'external view', 'wasm view', 'shared view', 'attached region', 'WebAssembly', 'write', 'write by a copy', 'a large copy',
  'write in a WebAssembly memory', 'fill',
].filter((name) => capabilities.externalBuffers || name !== 'external view')
/** Only where a file was cut, a page goes that was there, or that is only read. */
const CUT = [
  'a store before',
  'data for a log', 'long data for a log', 'data for an array', 'data for another region', 'a copy for another region',
]
const POOLS = ['log', 'array'].flatMap((what) => capabilities.engines.map((engine) => [what, engine] as const))
/** What is written through a file meets its errors, and not a page that is lost. */
const isWritten = (engine: string) => engine === 'rust' && !isForcedPmem
const FAULT = { during: 'ERR_PMEM_FAULT', later: ['ERR_PMEM_FAULT'], elsewhere: null, close: null }

function another(t: ExecutionContext): string {
  const path = join(folder(t), 'another')
  mkdirSync(path)
  return path
}

for (const name of [...REGIONS, ...CUT]) {
  linux(`a region whose file was cut: ${name}`, async (t) => {
    const here = folder(t)
    t.deepEqual(await run(t, 'fault.js', ['region', name, 'cut', here, another(t)]), { ...FAULT, again: null })
    t.is(readFileSync(join(here, 'file'), 'latin1').slice(0, 5), 'kept\0')
  })
}

for (const [what, engine] of POOLS) {
  linux(`a ${what} whose file was cut: ${engine}`, async (t) => {
    t.deepEqual(await run(t, 'fault.js', [what, engine, 'cut', folder(t), another(t)]), { ...FAULT, left: null })
  })
}

for (const kind of ['tmpfs', 'ext4'] as FileSystem[]) {
  const full = onSmall(kind)
  for (const name of REGIONS) {
    full(`a sparse region on a full disk, ${kind}: ${name}`, async (t) => {
      const here = smallDisk(t, kind, 8)
      t.deepEqual(await run(t, 'fault.js', ['region', name, 'full', here, another(t)]), { ...FAULT, again: null })
      t.is(readFileSync(join(here, 'file'), 'latin1').slice(0, 5), 'kept\0')
    })
  }
  for (const [what, engine] of POOLS) {
    full(`a sparse ${what} on a full disk keeps what it acknowledged, ${kind}: ${engine}`, async (t) => {
      const here = smallDisk(t, kind, 40)
      const expected = isWritten(engine) ? { ...FAULT, during: 'ENOSPC', later: [null] } : FAULT
      t.deepEqual(await run(t, 'fault.js', [what, engine, 'full', here, another(t)]), { ...expected, left: true })
    })
  }
}
