/** This package where it is installed: the command line finds it and serves a page. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { objects } from 'pmem'
import { report } from './report.cjs'

const require = createRequire(import.meta.url)

await report('the command inspect serves a page', async () => {
  const path = join(process.env.PMEM_TEST_DIR, 'installed.store')
  objects.open(path).close()
  const manifest = require.resolve('pmem/package.json')
  const command = join(dirname(manifest), require(manifest).bin.pmem)
  const child = spawn(process.execPath, [command, 'inspect', path], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    const [printed] = await once(child.stdout, 'data')
    const [address] = /http:\/\/127\.0\.0\.1:\S+/.exec(String(printed)) ?? []
    const answer = await fetch(address)
    assert.equal(answer.status, 200)
    assert.match(await answer.text(), /<html/)
  } finally {
    child.kill('SIGINT')
  }
})
