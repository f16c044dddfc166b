// npm run bench [-- filter]: sets up what is missing, measures the package against C programs and other stores, in turns,
// and says which goals are met. The filter is a part of the names of the rows wanted. `npm run bench -- barriers` prints
// instead what each durable operation costs a device.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import os from 'node:os'
import { join, parse } from 'node:path'
import { withLoopDevice } from './lib/loop-device.mjs'
import { matrix, withFolder } from './lib/matrix.mjs'
import { installModules } from './lib/modules.mjs'
import { main, root, run, step, StepError } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'

const sources = join(root, 'bench/c')
const programs = join(root, 'build/bench/c')
const built = (file) => join(root, 'build/bench', file)

/** Each file beside the harness is a program, over the harness where it includes it. */
async function buildPrograms() {
  mkdirSync(programs, { recursive: true })
  for (const { name, ext, base } of readdirSync(sources).map((file) => parse(file))) {
    if (ext !== '.c' || name === 'harness') continue
    const harness = readFileSync(join(sources, base), 'utf8').includes('"harness.h"') ? ['harness.c'] : []
    const args = ['-O2', '-Wall', '-Wextra', '-Werror', '-o', join(programs, name), base, ...harness]
    args.push('-Wl,--as-needed', '-lpmemlog', '-lpmemblk', '-lpmem')
    await step(`C program: ${name}`, 'cc', args, { cwd: sources })
  }
}

/** Their rows are undecided without them. */
async function installPeers() {
  try {
    await installModules('stores to measure against', join(root, 'bench/peers'))
  } catch (error) {
    if (!(error instanceof StepError)) throw error
    console.log(`${error.message}\nGoing on without them`)
  }
}

/** Memory as persistent memory, and a disk as it is: both as the tests have them. */
function condition(isMemory) {
  return matrix().find(({ folder, env }) => {
    const asWanted = (folder === '/dev/shm') === isMemory && (env.PMEM_IS_PMEM_FORCE === '1') === isMemory
    return env.PMEM_NO_EXTERNAL_BUFFERS === undefined && asWanted
  })
}

/** Calls `work` with each place and the ground to measure on there, which is gone afterwards. */
async function onGround(place, work) {
  const found = condition(place === 'memory')
  if (!found) return work({ folder: { reason: `no ${place === 'memory' ? 'tmpfs' : 'disk'} here` } }, place)
  const { folder: parent, env } = found
  const title = { memory: 'tmpfs, counted as persistent memory', disk: 'disk', device: 'loop device on the disk' }[place]
  await withFolder(parent, async (folder) => {
    if (place === 'device') return withLoopDevice(folder, async (own) => work({ folder: own, env }, await titled(title, own)))
    return work({ folder, env }, await titled(title, folder))
  })
}

async function titled(title, folder) {
  if (typeof folder !== 'string') return title
  const { output } = await run('df', ['--output=fstype', folder])
  return `${title} (${output.trim().split('\n').at(-1)}, ${folder})`
}

async function measure(filter) {
  const { rowsWith, measureRows, heading } = await import(built('main.mjs'))
  const rows = rowsWith(filter)
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
    if (status !== 0) throw new StepError('barriers.mjs failed')
  })
}

function machine() {
  const cores = os.cpus()
  return `${cores[0]?.model}, ${cores.length} cores, ${os.type()} ${os.release()}, Node.js ${process.version}`
}

await main(async () => {
  if (!(await setUp())) throw new StepError('The benchmarks compare with libpmem, which is not installed')
  await buildPrograms()
  const [filter = ''] = process.argv.slice(2)
  await (filter === 'barriers' ? measureBarriers() : measure(filter))
})
