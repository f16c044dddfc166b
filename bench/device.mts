// What reaches the block device of a file system, by the device's own counters.
import { execFileSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'

/** Requests, bytes and flushes that reached a device, or how many did so for one operation. */
export interface Traffic {
  readonly writes: number
  readonly bytes: number
  readonly flushes: number
}

const SECTOR = 512

/** Of the device that the folder's file system is on. Documentation/block/stat.rst of the kernel has the fields. */
function counters(folder: string): Traffic {
  const { dev } = statSync(folder)
  const [major, minor] = [(dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00)]
  const fields = readFileSync(`/sys/dev/block/${major}:${minor}/stat`, 'utf8').trim().split(/\s+/).map(Number)
  return { writes: fields[4]!, bytes: fields[6]! * SECTOR, flushes: fields[15] ?? Number.NaN }
}

/** Makes all that was written before reach the device. */
export function settle(folder: string): void {
  execFileSync('sync', ['--file-system', folder])
}

/**
 * What reaches the device for one of `count` operations. Nothing else may use it.
 *
 * @param late - Also counts what `work` left for later: pages of the page cache, the file system's journal.
 */
export async function traffic(folder: string, count: number, work: () => unknown, late: boolean): Promise<Traffic> {
  settle(folder)
  const before = counters(folder)
  await work()
  if (late) settle(folder)
  const after = counters(folder)
  return {
    writes: (after.writes - before.writes) / count,
    bytes: (after.bytes - before.bytes) / count,
    flushes: (after.flushes - before.flushes) / count,
  }
}
