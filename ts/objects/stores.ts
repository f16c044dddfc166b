/**
 * Maps, sets, arrays, objects and instances that are still there after a restart: a file for a store.
 *
 * @module objects
 */

import { type Path, textOf, toPath } from '../shared/arguments.js'
import { newerStore, olderStore } from '../shared/errors.js'
import { native } from '../shared/native.js'
import { newArray } from './array.js'
import { COMMAND, startCommand } from './commands.js'
import { makeBy } from './live.js'
import { newMap } from './map.js'
import { newInstance, newObject } from './object.js'
import { type OpenOptions, toOpenArguments } from './options.js'
import { Session, containers } from './session.js'
import { newSet } from './set.js'
import { newSortedMap } from './sorted-map.js'
import { type Store, newStore } from './store.js'
import type { Live } from './types.js'
import { KIND, out } from './values.js'
import { checkSynchronous, synchronous } from './work.js'

export { Persistent } from './persistent.js'
export { toPlain } from './plain.js'
export type { Plain } from './plain.js'
export { SortedMap } from './sorted-map.js'
export { Snapshot, Store } from './store.js'
export type { PersistentClass } from './classes.js'
export type { StoredMap } from './map.js'
export type { OpenOptions } from './options.js'
export type { SortedKey, SortedPart } from './sorted-keys.js'
export type { RangeBound, RangeOptions } from './sorted-map.js'
export type { Stats } from './store.js'
export type { Live } from './types.js'
export type { Change } from './watch.js'

makeBy(KIND.map, newMap)
makeBy(KIND.set, newSet)
makeBy(KIND.sortedMap, newSortedMap)
makeBy(KIND.array, newArray)
makeBy(KIND.object, newObject)
makeBy(KIND.instance, newInstance)

/**
 * Opens a store, or makes it where there is none. What a crash interrupted is finished or taken back. Handles of one process share it,
 * also those of workers.
 *
 * @throws `EAGAIN` where another process has it open; `ERR_PMEM_CORRUPT` where it is damaged, and it is left as it is; `ENOENT` where it
 * is missing and `create` is false; `ERR_PMEM_VERSION` where it is of a later version; `ERR_PMEM_UNSUPPORTED` over a network.
 *
 * @example
 * import { objects } from 'pmem'
 *
 * const store = objects.open('app.store', { root: () => ({ users: new Map<string, { visits: number }>() }) })
 * store.root.users.set('ada', { visits: 1 })
 * store.root.users.get('ada')!.visits += 1
 * store.close()
 *
 * const again = objects.open('app.store', { root: () => ({ users: new Map<string, { visits: number }>() }) })
 * console.log(again.root.users.get('ada')?.visits) // => 2
 * again.close()
 */
export function open<R>(path: Path, options: OpenOptions<R> & { root: (store: Store<null>) => R }): Store<Live<R>>
export function open<R = unknown>(path: Path, options?: OpenOptions<R>): Store<R | null>
export function open<R>(path: Path, options?: OpenOptions<R>): Store<unknown> {
  const { flags, root, classes, version, upgrade } = toOpenArguments(options)
  const bytes = toPath('path', path)
  const handle = native.objectsOpen(bytes, flags)
  const session = new Session(handle, textOf(bytes), flags.readonly, false, classes)
  const store = newStore<unknown>(session)
  try {
    if (!flags.readonly && root && store.root === null) begin(session, store, root, version)
    bring(session, store, version, upgrade as OpenOptions['upgrade'])
  } catch (error) {
    session.close()
    throw error
  }
  return store
}

/** Gives a new store its root. */
function begin(session: Session, store: Store<unknown>, root: (store: Store<null>) => unknown, version: number): void {
  session.transaction(() => {
    // Another thread may have come before.
    if (store.root !== null) return
    store.root = root(store as Store<null>)
    setVersion(session, version)
  })
}

/** Brings a store to its version. */
function bring(session: Session, store: Store<unknown>, version: number, upgrade: OpenOptions['upgrade']): void {
  const from = store.version
  if (from > version) throw newerStore(session.path, from, version)
  if (from === version) return
  if (session.readonly) throw olderStore(session.path, from, version)
  checkSynchronous(upgrade)
  session.transaction(() => {
    synchronous(upgrade?.(store, from))
    setVersion(session, version)
  })
}

function setVersion(session: Session, version: number): void {
  startCommand(COMMAND.version, (out.clear(), 0))
  out.uint32(version)
  session.apply(out)
}

/** Whether a value is a live object of a store, or an instance that can become one. */
export function isPersistent(value: unknown): boolean {
  return containers.has(value as object)
}

/** What {@link check} finds. */
export interface Report {
  /** Whether nothing is damaged. */
  sound: boolean
  /** How many containers there are. */
  containers: number
  /** How many entries they have. */
  entries: number
  /** What is damaged; absent where nothing is. */
  damage?: string[]
}

/**
 * What of a store is sound and what is not. It changes nothing.
 *
 * @throws `EAGAIN` where another process has it open; errors of the operating system, such as `ENOENT`.
 */
export function check(path: Path): Report {
  const { damage, ...counts } = native.objectsCheck(toPath('path', path))
  return { sound: damage.length === 0, ...counts, ...(damage.length > 0 && { damage }) }
}
