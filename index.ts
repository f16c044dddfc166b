/**
 * Persistent memory for JavaScript: files mapped as memory that survive power loss.
 *
 * @packageDocumentation
 */

export { capabilities } from './ts/shared/capabilities.js'
export type { Capabilities, EngineName } from './ts/shared/capabilities.js'
export type { PmemErrorCode } from './ts/shared/errors.js'
export * as pmem from './ts/region/pmem.js'
export * as pmemblk from './ts/nvml/pmemblk.js'
export * as pmemlog from './ts/nvml/pmemlog.js'
