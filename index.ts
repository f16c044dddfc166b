/**
 * Persistent memory for JavaScript: files mapped as memory that survive power loss.
 *
 * @packageDocumentation
 */

export { capabilities } from './ts/capabilities.js'
export type { Capabilities } from './ts/capabilities.js'
export type { PmemErrorCode } from './ts/errors.js'
export * as pmem from './ts/pmem.js'
export * as pmemblk from './ts/pmemblk.js'
export * as pmemlog from './ts/pmemlog.js'
