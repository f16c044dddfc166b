/** What is measured in a folder of its own, which is gone afterwards. */

import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The folder that a path is, or that it is in. */
export function folderOf(path: string): string {
  return statSync(path).isDirectory() ? path : dirname(path)
}

/** Calls `work` with a new folder in one. */
export async function inTrialFolder<T>(parent: string, work: (folder: string) => T | Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(parent, '.pmem-trial-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  // A signal ends the process without any `finally`.
  const end = () => {
    remove()
    process.exit(130)
  }
  process.once('SIGINT', end).once('SIGTERM', end)
  try {
    return await work(folder)
  } finally {
    process.off('SIGINT', end).off('SIGTERM', end)
    remove()
  }
}

/** The median of how long each call takes, in microseconds: for so many milliseconds, and at least ten calls. */
export function medianOf(call: (index: number) => void, milliseconds: number): number {
  const end = performance.now() + milliseconds
  const times: number[] = []
  for (let index = 0; index < 10 || performance.now() < end; index += 1) {
    const start = performance.now()
    call(index)
    times.push((performance.now() - start) * 1000)
  }
  return times.toSorted((one, other) => one - other)[times.length >> 1]!
}
