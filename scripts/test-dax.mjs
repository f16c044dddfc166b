// npm run test:dax: tests on emulated persistent memory, in a machine with an NVDIMM (`scripts/lib/dax-vm/`): on a file system with
// DAX, on a device, and with caches that are persistent. The last line is the sum of all counts.
import { describe } from './lib/counts.mjs'
import { testDax } from './lib/dax-vm/tests.mjs'
import { main } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'

await main(async () => {
  await setUp()
  const total = await testDax(false)
  console.log(describe(total))
  if (total.failed) process.exitCode = 1
})
