/** The names of this package: a storage adapter for Keyv. */

export { KeyvPmem } from './adapter.js'
export type { KeyvPmemOptions } from './adapter.js'
