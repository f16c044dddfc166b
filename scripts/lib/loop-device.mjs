import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './run.mjs'

const SIZE = '512M'

/**
 * Calls `work` with a folder on an ext4 of its own, on a loop device over a file in `parent`: nothing else reaches that
 * device, so that its counters are about `work` alone. Where there can be none, `work` gets `{ reason }` instead.
 */
export async function withLoopDevice(parent, work) {
  const image = join(parent, 'image')
  const folder = join(parent, 'mounted')
  let mounted = false
  try {
    mkdirSync(folder)
    const { ok, output } = await mount(image, folder)
    mounted = ok
    return await work(ok ? folder : { reason: `no loop device: ${output.trim().split('\n').at(-1)}` })
  } finally {
    // Unmounting frees the device, which `mount` took for it.
    if (mounted) await unmount(folder)
    rmSync(image, { force: true })
  }
}

async function mount(image, folder) {
  const commands = [
    ['truncate', ['--size', SIZE, image]],
    // Tables that are filled in later would be counted.
    ['mkfs.ext4', ['-q', '-b', '4096', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image]],
    ['mount', ['--types', 'ext4', '--options', 'loop', image, folder]],
  ]
  let result
  for (const [command, args] of commands) {
    result = await run(command, args)
    if (!result.ok) break
  }
  return result
}

async function unmount(folder) {
  const { ok } = await run('umount', [folder])
  // A process that was ended may still be about to let go of its files.
  if (!ok) await run('umount', ['--lazy', folder])
}
