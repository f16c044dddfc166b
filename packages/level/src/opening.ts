/** Opening the store in a database's folder. */

import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { objects } from 'pmem'
import type { Root } from './entries.js'

/** The name of the store in a database's folder. */
const FILE = 'level.store'

/** Opens the store in a folder; makes it, and the folder, where it is missing and may be made. */
export function openStore(location: string, mayMake: boolean, mustMake: boolean): objects.Store<Root> {
  const path = join(location, FILE)
  if (!existsSync(path)) prepare(location, mayMake)
  else if (mustMake) throw failure('LEVEL_EXISTS', `the database '${location}' exists: give another location, or leave out errorIfExists`)
  const store = open(path)
  const { root } = store
  if (root.level instanceof objects.SortedMap) return store
  store.close()
  throw failure('LEVEL_FOREIGN', `'${path}' is a store that pmem-level has not made: give another location`)
}

/** Sees to it that a database can be made in a folder. */
function prepare(location: string, mayMake: boolean): void {
  if (!mayMake) throw failure('LEVEL_MISSING', `the database '${location}' does not exist: give another location, or leave out createIfMissing`)
  // All that is in it would seem to be gone.
  if (existsSync(join(location, 'CURRENT'))) throw failure('LEVEL_FOREIGN', `'${location}' has a database of LevelDB: copy its entries into one at another location`)
  mkdirSync(location, { recursive: true })
}

function open(path: string): objects.Store<Root> {
  try {
    return objects.open(path, { durability: 'group', root: (store): Root => ({ level: store.sortedMap() }) }) as unknown as objects.Store<Root>
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    // As it is in classic-level.
    throw failure('LEVEL_LOCKED', `'${path}' is open in another process: close it there, or give another location`, error)
  }
}

/** An error with a code. */
function failure(code: string, message: string, cause?: unknown): Error {
  return Object.assign(new Error(message, { cause }), { code })
}
