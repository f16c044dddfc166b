/** Workers: each loads the package itself, and shares files and pools with the others. */

import assert from 'node:assert/strict'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMainThread, Worker, workerData } from 'node:worker_threads'
import { pmem, pmemlog } from 'pmem'
import { remove, report } from './report.cjs'

if (isMainThread) await report('workers share pools and files', main)
else work(workerData)

async function main() {
  const folder = mkdtempSync(join(process.env.PMEM_TEST_DIR ?? tmpdir(), 'pmem-worker-'))
  const paths = { log: join(folder, 'log'), region: join(folder, 'region') }
  const log = pmemlog.create(paths.log)
  const region = pmem.mapFile(paths.region, { length: 4096, create: true })
  const indexes = [0, 1, 2]
  const program = fileURLToPath(import.meta.url)
  const codes = await Promise.all(indexes.map((index) => ended(new Worker(program, { workerData: { ...paths, index } }))))
  assert.deepEqual(codes, [0, 0, 0])
  assert.equal(log.tell(), 300)
  assert.deepEqual([...region.read(3)], [1, 2, 3])
  region.close()
  log.close()
  await remove(folder)
}

function work({ log, region, index }) {
  const shared = pmemlog.open(log)
  for (let count = 0; count < 10; count += 1) shared.append(`${index}`.repeat(10))
  // The region is left to the end of the thread.
  const mapped = pmem.map(region)
  mapped.copyFrom(Uint8Array.of(index + 1), index)
  shared.close()
}

function ended(worker) {
  return new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject))
}
