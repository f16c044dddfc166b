/** The package as ES modules, and beside itself as CommonJS. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Worker } from 'node:worker_threads'
import * as pmem from 'pmem'
import * as blk from 'pmem/blk'
import * as journal from 'pmem/journal'
import * as log from 'pmem/log'
import destination from 'pmem/pino'
import { remove, report } from './report.cjs'
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
await report('the command that the package brings makes a store and prints it', async () => {
  const folder = mkdtempSync(join(process.env.PMEM_TEST_DIR ?? tmpdir(), 'pmem-command-'))
  const store = join(folder, 'app.store')
  assert.equal((await pmemCommand(['objects', 'import', store], '{"visits":1}')).code, 0)
  assert.deepEqual(await pmemCommand(['objects', 'export', '--json', store]), { code: 0, output: '{"visits":1}\n' })
  await remove(folder)
})

/** Runs the command line in a worker: not all that runs programs of other platforms lets them start processes. */
async function pmemCommand(argv, input) {
  const require = createRequire(import.meta.url)
  const manifest = require.resolve('pmem/package.json')
  const worker = new Worker(join(dirname(manifest), require(manifest).bin.pmem), { argv, stdin: input !== undefined, stdout: true })
  const ended = once(worker, 'exit')
  // An input that nobody reads would keep it alive.
  worker.stdin?.end(input)
  const output = await text(worker.stdout)
  const [code] = await ended
  return { code, output }
}
