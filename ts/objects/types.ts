/** Types of what is stored. */

import type { StoredMap } from './map.js'
import type { SortedKey } from './sorted-keys.js'
import type { SortedMap } from './sorted-map.js'

/** What is copied when it is read. */
type Atom = undefined | null | boolean | number | bigint | string | Date | ArrayBuffer | ArrayBufferView

/** What reading gives of a value that was stored. */
export type Live<T> = T extends Atom
  ? T
  : T extends SortedMap<infer K extends SortedKey, infer V>
    ? SortedMap<K, Live<V>>
    : T extends Map<infer K, infer V>
      ? StoredMap<Live<K>, Live<V>>
      : T extends Set<infer V>
        ? Set<Live<V>>
        : T

/** What no transaction may return, since it would end before it is there. */
export type NotPromise<T> = T extends PromiseLike<unknown> ? never : T
