/** The names of this package: an abstract-level database in a file of its own. */

export { PmemLevel } from './level.js'
export type { WriteOptions } from './level.js'
