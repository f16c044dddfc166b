/** A worker that counts in a shared region and persists it. */

import { parentPort, workerData } from 'node:worker_threads'
import { pmem } from 'pmem'

const { buffer, times } = workerData as { buffer: SharedArrayBuffer; times: number }

using region = pmem.attach(buffer)
const numbers = region.view(Int32Array)
for (let time = 0; time < times; time += 1) {
  Atomics.add(numbers, 0, 1)
  if (time % 10_000 === 0) region.persist(0, 4)
}
parentPort?.postMessage('counted')
