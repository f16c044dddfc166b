// npm run soak [-- --minutes 30] [--dir FOLDER] [--leak]: sets up what is missing, and has two workers and another process work on every
// module in one folder, opening and closing again and again. Fails where memory, descriptors, mappings or threads grow, or something is
// not what was written. --leak leaves things behind, to show that it fails.
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'
import { matrix, withFolder } from './lib/matrix.mjs'
import { main } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'
import { soak } from './lib/soak.mjs'

await main(async () => {
  const { values } = parseArgs({
    options: { minutes: { type: 'string', default: '1' }, dir: { type: 'string' }, leak: { type: 'boolean', default: false } },
  })
  await setUp()
  await withFolder(values.dir ?? matrix()[0].folder, (folder) => {
    const { status } = spawnSync(process.execPath, soak(folder, values.minutes, values.leak), { stdio: 'inherit' })
    process.exitCode = status ?? 1
  })
})
