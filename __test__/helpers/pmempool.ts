/** The NVM Library's tool `pmempool`, where it is installed. */

import { spawnSync } from 'node:child_process'
import { closeSync, openSync, readSync } from 'node:fs'

export const hasPmempool = spawnSync('pmempool', ['--version']).status === 0

/** What `pmempool check` says of a closed pool that is not consistent. */
export function inconsistency(path: string): string | undefined {
  const { status, stdout, stderr } = spawnSync('pmempool', ['check', '-v', path], { encoding: 'utf8' })
  return status === 0 && /: consistent$/m.test(stdout) ? undefined : `pmempool check: ${stdout}${stderr}`
}

/** Where a block pool's first arena is, and where that says that its flog and the copy of its info block are. */
const [ARENA, FLOG, COPY] = [8192, 104, 112]
const [INFO, LANES] = [4096, 256]

/**
 * Whether `pmempool check` takes for damage, in a block pool of one arena, what every library recovers: the first write of a lane that was
 * torn before its number, and a layout that was stopped before it had copied its info block.
 */
export function isFalseAlarm(path: string): boolean {
  const descriptor = openSync(path, 'r')
  try {
    const bytes = (offset: number, length: number) => {
      const target = Buffer.alloc(length)
      readSync(descriptor, target, 0, length, offset)
      return target
    }
    const info = bytes(ARENA, INFO)
    if (info.every((byte) => byte === 0)) return false
    const flog = bytes(ARENA + Number(info.readBigUInt64LE(FLOG)), LANES * 64)
    const second = Array.from({ length: LANES }, (_, lane) => flog.subarray(lane * 64 + 16, lane * 64 + 32))
    const isTorn = second.some((entry) => entry.readUInt32LE(12) === 0 && entry.some((byte) => byte !== 0))
    return isTorn || !bytes(ARENA + Number(info.readBigUInt64LE(COPY)), INFO).equals(info)
  } finally {
    closeSync(descriptor)
  }
}
