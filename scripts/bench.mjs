// npm run bench [-- filter]: sets up what is missing, measures the package against C programs and other stores, in turns,
// and says which goals are met. The filter is a part of the names of the rows wanted. `npm run bench -- barriers` prints
// instead what each durable operation costs a device.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { buildPrograms, machine } from './lib/bench.mjs'
import { onGround } from './lib/ground.mjs'
import { installModules } from './lib/modules.mjs'
import { main, root, StepError } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'

const built = (file) => join(root, 'build/bench', file)

/** Their rows are undecided without them. */
async function installPeers() {
  try {
    await installModules('stores to measure against', join(root, 'bench/peers'))
  } catch (error) {
    if (!(error instanceof StepError)) throw error
    console.log(`${error.message}\nGoing on without them`)
  }
}

async function measure(filter) {
  const { rowsWith, measureRows, heading } = await import(built('main.mjs'))
  const rows = rowsWith(filter)
  if (rows.length === 0) throw new StepError(`No row has "${filter}" in its name`)
  if (rows.some(({ peer }) => peer)) await installPeers()
  const counts = { met: 0, missed: 0, undecided: 0 }
  console.log(`\n${machine()}\n\n${heading}`)
  for (const place of ['memory', 'disk', 'device']) {
    const here = rows.filter((row) => row.place === place)
    if (here.length === 0) continue
    await onGround(place, async (ground, title) => {
      console.log(title)
      await measureRows(here, ground, counts)
    })
  }
  console.log(`\n${counts.met} met, ${counts.missed} missed, ${counts.undecided} undecided`)
}

async function measureBarriers() {
  await onGround('device', ({ folder, env }, title) => {
    if (typeof folder !== 'string') throw new StepError(folder.reason)
    console.log(`\n${machine()}\n\n${title}`)
    const options = { env: { ...process.env, ...env }, stdio: 'inherit' }
    const { status } = spawnSync(process.execPath, [built('barriers.mjs'), folder], options)
    if (status !== 0) throw new StepError('What reaches the device could not be counted')
  })
}

await main(async () => {
  if (!(await setUp())) throw new StepError('The benchmarks compare with libpmem, which is not installed')
  await buildPrograms()
  const [filter = ''] = process.argv.slice(2)
  await (filter === 'barriers' ? measureBarriers() : measure(filter))
})
