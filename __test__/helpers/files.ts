/** Files of one test, in the folder that the suite is run on. They go when the test ends. */

import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { pmem } from 'pmem'

/** Whether users who own nothing may look into all folders on the way to these files. */
export function othersReach(...paths: string[]): boolean {
  return paths.every((path) => dirname(path) === path || ((statSync(dirname(path)).mode & 1) === 1 && othersReach(dirname(path))))
}

/** A new folder. */
export function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(process.env.PMEM_TEST_DIR ?? tmpdir(), 'pmem-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A new file with this content; a number is a count of zeros. */
export function file(t: ExecutionContext, content: number | string | Uint8Array = 4096): string {
  const path = join(folder(t), 'file')
  writeFileSync(path, typeof content === 'number' ? Buffer.alloc(content) : content)
  return path
}

/** A region over a new file; it is closed when the test ends. */
export function mapped(
  t: ExecutionContext,
  content: number | string | Uint8Array = 4096,
  options?: pmem.MapOptions,
): { path: string; region: pmem.Region } {
  const path = file(t, content)
  const region = pmem.map(path, undefined, options) as pmem.Region
  t.teardown(() => region.close())
  return { path, region }
}

/** The text at the start of a file, or from `start` to `end`. */
export function text(path: string, end: number, start = 0): string {
  return readFileSync(path).toString('utf8', start, end)
}
