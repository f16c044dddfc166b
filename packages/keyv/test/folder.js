import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

const folder = mkdtempSync(join(process.env.PMEM_TEST_DIR ?? tmpdir(), 'keyv-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let count = 0

/** A path that no other test has. */
export const newPath = () => join(folder, `${(count += 1)}.keyv`)
