/**
 * Persistent memory for JavaScript: files mapped as memory that survive power loss.
 *
 * @packageDocumentation
 */

import * as all from './ts/all.js'

export * from './ts/all.js'

/** For `import pmem from 'pmem'`: what `require('pmem')` gives. */
export default all
