import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { withLoopDevice } from './loop-device.mjs'
import { matrix, withFolder } from './matrix.mjs'
import { run } from './run.mjs'

const titles = {
  memory: 'tmpfs, counted as persistent memory',
  disk: 'disk',
  device: 'loop device on the disk',
}

/**
 * Calls `work` with the ground to measure on at one of three places, and a title for it. The ground is `{ folder, env }`;
 * the folder is gone afterwards, and is `{ reason }` where there can be none.
 */
export async function onGround(place, work) {
  const found = condition(place === 'memory')
  if (!found) return work({ folder: { reason: `no ${place === 'memory' ? 'tmpfs' : 'disk'} here` } }, titles[place])
  const start = async (folder) => work({ folder, env: found.env }, await titled(place, folder))
  return withFolder(found.folder, (folder) =>
    untilSignal(folder, () => (place === 'device' ? withLoopDevice(folder, start) : start(folder))),
  )
}

/** Memory as persistent memory, and a disk as it is: both as the tests have them. */
function condition(isMemory) {
  return matrix().find(({ folder, env }) => {
    const asWanted = (folder === '/dev/shm') === isMemory && (env.PMEM_IS_PMEM_FORCE === '1') === isMemory
    return env.PMEM_NO_EXTERNAL_BUFFERS === undefined && asWanted
  })
}

/** A signal ends the process without any `finally`; a gigabyte, or a mounted file system, must not stay for it. */
async function untilSignal(folder, work) {
  const end = () => {
    spawnSync('umount', ['--quiet', '--lazy', `${folder}/mounted`], { stdio: 'ignore' })
    rmSync(folder, { recursive: true, force: true })
    process.exit(1)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) process.on(signal, end)
  try {
    return await work()
  } finally {
    for (const signal of signals) process.off(signal, end)
  }
}

async function titled(place, folder) {
  if (typeof folder !== 'string') return titles[place]
  const { output } = await run('df', ['--output=fstype', folder])
  return `${titles[place]} (${output.trim().split('\n').at(-1)}, ${folder})`
}
