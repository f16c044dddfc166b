/** Entries that may expire, as a store has them. The functions that change something belong into a transaction. */

import { objects } from 'pmem'

/** A namespace, which is '' where there is none, and a key in it. */
export type Id = readonly [namespace: string, key: string]

/** What a store of this package begins with. */
export interface Root {
  values: objects.SortedMap<Id, unknown>
  /** When an entry expires, in milliseconds since 1970; those that never do are missing. */
  expiries: objects.SortedMap<Id, number>
  /** The same in the order of time. */
  order: objects.SortedMap<readonly [at: number, ...Id], null>
}

/** What a new store begins with. */
export const begin = (store: objects.Store<null>): Root => ({ values: store.sortedMap(), expiries: store.sortedMap(), order: store.sortedMap() })

/** Whether a store was made by this package. */
export const isRoot = (root: Partial<Root> | null): root is Root => root?.order instanceof objects.SortedMap

/** Whether there is an entry that has not expired. */
export const has = (root: Root, id: Id): boolean => root.values.has(id) && !isOver(root, id)

/** The value of an entry that has not expired, which is nobody else's; undefined where there is none. */
export const get = (root: Root, id: Id): unknown => (isOver(root, id) ? undefined : objects.toPlain(root.values.get(id)))

const isOver = ({ expiries }: Root, id: Id): boolean => (expiries.get(id) ?? Infinity) <= Date.now()

/** The entries of a namespace that have not expired. */
export function* entriesOf(root: Root, namespace: string): Generator<[key: string, value: unknown]> {
  for (const [id, value] of root.values.range(inside(namespace))) {
    if (!isOver(root, id)) yield [id[1], objects.toPlain(value)]
  }
}

/** Sets an entry. One that has expired already is none. */
export function set(root: Root, id: Id, value: unknown, expires: number | undefined): void {
  forget(root, id)
  if (expires !== undefined && expires <= Date.now()) return void root.values.delete(id)
  root.values.set(id, value)
  if (expires === undefined) return
  // Whole milliseconds, as the clock has them.
  const at = Math.ceil(expires)
  root.expiries.set(id, at)
  root.order.set([at, ...id], null)
}

/** Removes an entry. Returns whether there was one that had not expired. */
export function remove(root: Root, id: Id): boolean {
  const was = has(root, id)
  forget(root, id)
  root.values.delete(id)
  return was
}

/** Removes all entries of a namespace. */
export function removeAll(root: Root, namespace: string): void {
  for (const id of Array.from(root.values.range(inside(namespace)), ([key]) => key)) remove(root, id)
}

/** Removes everything. */
export function clear({ values, expiries, order }: Root): void {
  for (const map of [values, expiries, order]) map.clear()
}

/** Removes at most so many of the entries that have expired. Returns how many. */
export function sweep(root: Root, most: number): number {
  const over = Array.from(root.order.range({ to: [Date.now() + 1], limit: most }), ([[, ...id]]) => id)
  for (const id of over) remove(root, id)
  return over.length
}

/** When the next entry expires; undefined where none does. */
export const nextExpiry = ({ order }: Root): number | undefined => order.first()?.[0][0]

/** An entry expires no more. */
function forget({ expiries, order }: Root, id: Id): void {
  const at = expiries.get(id)
  if (at === undefined) return
  expiries.delete(id)
  order.delete([at, ...id])
}

/** All keys of a namespace. */
const inside = (namespace: string): objects.RangeOptions<Id> => ({ from: [namespace], to: [`${namespace}\0`] })
