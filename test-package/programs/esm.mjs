/** The package as ES modules, and beside itself as CommonJS. */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import * as pmem from 'pmem'
import * as blk from 'pmem/blk'
import * as journal from 'pmem/journal'
import * as log from 'pmem/log'
import destination from 'pmem/pino'
import { report } from './report.cjs'
import { smoke } from './smoke.cjs'

await smoke(pmem)
await report('ES modules and CommonJS are one package', () => {
  const require = createRequire(import.meta.url)
  assert.equal(require('pmem').pmem, pmem.pmem)
  assert.equal(require('pmem/log').create, log.create)
  assert.equal(pmem.pmemlog.create, log.create)
  assert.equal(pmem.pmemblk.create, blk.create)
  assert.equal(pmem.journal.open, journal.open)
  assert.equal(require('pmem/journal').Journal, journal.Journal)
  assert.equal(require('pmem/pino').default, destination)
})
await report('the command that the package brings makes a store and prints it', () => {
  const manifest = createRequire(import.meta.url).resolve('pmem/package.json')
  const command = join(dirname(manifest), createRequire(import.meta.url)(manifest).bin.pmem)
  const folder = mkdtempSync(join(process.env.PMEM_TEST_DIR ?? tmpdir(), 'pmem-command-'))
  const pmemCommand = (args, input) => execFileSync(process.execPath, [command, ...args], { cwd: folder, input, encoding: 'utf8' })
  pmemCommand(['objects', 'import', 'app.store'], '{"visits":1}')
  assert.equal(pmemCommand(['objects', 'export', '--json', 'app.store']), '{"visits":1}\n')
  rmSync(folder, { recursive: true })
})
