/**
 * What the package exports. The functions and classes of `pmem` are there by themselves too.
 *
 * @module
 * @mergeModuleWith <project>
 */

export * from './region/pmem.js'
export { capabilities } from './shared/capabilities.js'
export type { Capabilities, EngineName } from './shared/capabilities.js'
export type { PmemErrorCode } from './shared/errors.js'
export * as journal from './journal/journals.js'
export * as objects from './objects/stores.js'
export * as pmem from './region/pmem.js'
export * as pmemblk from './nvml/pmemblk.js'
export * as pmemlog from './nvml/pmemlog.js'
