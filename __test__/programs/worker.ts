/** A worker that opens regions, says how many mappings its file then has, and ends as it was told. */

import { parentPort, workerData } from 'node:worker_threads'
import { capabilities, pmem } from 'pmem'
import { mappings } from '../helpers/memory.js'

const { path, end } = workerData as { path: string; end: 'return' | 'exit' | 'throw' | 'wait' | 'spin' }

const regions = Array.from({ length: 20 }, () => pmem.map(path))
for (const [index, region] of regions.slice(0, 10).entries()) {
  if (capabilities.externalBuffers) region.view(Uint8Array)[index] = 0x61 + index
  else region.copyFrom(Uint8Array.of(0x61 + index), index)
}
regions[0]?.close()
regions[19]?.close()
// They are under way when the worker ends.
for (const region of regions.slice(1, 19)) void region.persistAsync()

const port = parentPort!
port.postMessage(mappings(path))

if (end === 'exit') process.exit(7)
if (end === 'throw') throw new Error('the worker failed')
if (end === 'wait') port.on('message', () => regions)
if (end === 'spin') for (;;) regions.reverse()
