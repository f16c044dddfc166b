// npm run test:kills [-- --rounds 500]: sets up what is missing, and kills so many writers of each kind, of regions, logs, blocks, journals
// and objects, at any time. On tmpfs: a kill leaves what the system has in its memory, and a disk makes no difference to that.
import { parseArgs } from 'node:util'
import { countAva, describe } from './lib/counts.mjs'
import { matrix, withFolder } from './lib/matrix.mjs'
import { bin, main, run } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'

await main(async () => {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '500' } } })
  await setUp()
  await withFolder(matrix()[0].folder, async (folder) => {
    const env = { PMEM_TEST_DIR: folder, PMEM_TEST_KILLS: values.rounds }
    const result = await run(bin('ava'), ['--timeout=24h', 'build/__test__/*kills.spec.js'], { env })
    console.log(result.output)
    const counts = countAva(result)
    console.log(describe(counts))
    if (counts.failed) process.exitCode = 1
  })
})
