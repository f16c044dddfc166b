// npm run test:powercut [-- --cuts N]: kills a machine with persistent memory (`scripts/lib/dax-vm/`) in the midst of work on every
// module, 3 times or N, boots it again and looks for everything that was acknowledged. Then once with mappings that lack MAP_SYNC,
// which has to lose something. The last line counts cuts.
import { parseArgs } from 'node:util'
import { describe } from './lib/counts.mjs'
import { testPowercuts } from './lib/dax-vm/powercuts.mjs'
import { main, StepError } from './lib/run.mjs'
import { buildRecorder, setUp } from './lib/setup.mjs'

await main(async () => {
  const { values } = parseArgs({ options: { cuts: { type: 'string', default: '3' } } })
  const cuts = Number(values.cuts)
  if (!Number.isSafeInteger(cuts) || cuts < 0) throw new StepError('--cuts takes a number of power cuts')
  await setUp()
  await buildRecorder()
  const total = await testPowercuts(cuts)
  console.log(describe(total))
  if (total.failed) process.exitCode = 1
})
