/**
 * Calls of the system that fail, one after the other, for every module: disks that are full or bad, and processes that may have no more
 * files or memory. Each error has a code, nothing that was acknowledged is lost, and what is opened again is sound and goes on.
 */

import { join } from 'node:path'
import { folder } from './helpers/files.js'
import { onFiles } from './helpers/linux.js'
import { MODULES } from './helpers/numbered.js'
import { isForcedPmem } from './helpers/pools.js'
import { compiledObject, ended, program } from './helpers/programs.js'

interface Told {
  /** How many calls failed, one in each attempt. */
  readonly faults: number
  /** How many errors had which code. */
  readonly codes: Readonly<Record<string, number>>
  readonly wrong: readonly string[]
}

const FAILURES = [
  ['sync', 'EIO', 'one'],
  ['write', 'ENOSPC', 'all'],
  ['write', 'EIO', 'one'],
  ['read', 'EIO', 'one'],
  ['open', 'EMFILE', 'one'],
  ['map', 'ENOMEM', 'one'],
  ['map', 'ENOMEM', 'all'],
] as const

for (const [what, engine] of MODULES) {
  for (const [kind, code, many] of FAILURES) {
    onFiles(`${what}, engine ${engine}: each ${kind} that fails by ${code}, ${many} of them`, async (t) => {
      const here = folder(t)
      const object = compiledObject(here, 'failing-calls')
      const args = [program('failing-calls.js'), what, engine, kind, code, many, join(here, 'used')]
      const { status, stdout, stderr } = await ended(process.execPath, args, { LD_PRELOAD: object })
      t.is(status, 0, stderr)
      const { faults, codes, wrong } = JSON.parse(stdout) as Told
      t.deepEqual(wrong, [])
      // After an outcome that nobody knows, changes are refused by EIO.
      for (const found of Object.keys(codes)) t.true([code, 'EIO'].includes(found), found)
      // Those of closing have nothing to tell of: what was acknowledged was durable before. On persistent memory there are few others.
      if (kind === 'sync' && !isForcedPmem) t.true(Object.values(codes).reduce((sum, told) => sum + told, 0) >= faults)
      t.log(`${faults} calls failed, errors: ${JSON.stringify(codes)}`)
    })
  }
}
