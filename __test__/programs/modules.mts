/** Uses the package as an ES module and as CommonJS at once, and says whether it is one. */

import { createRequire } from 'node:module'
import { capabilities, pmem } from 'pmem'

const cjs = createRequire(import.meta.url)('pmem') as typeof import('pmem')
const [path = ''] = process.argv.slice(2)

const region = pmem.map(path)
region.write('from ESM')
cjs.pmem.persist(region, 0, 8)
const other = cjs.pmem.map(path)
const accepted = other instanceof pmem.Region && pmem.isPmem(other) === region.isPmem
pmem.unmap(other)
cjs.pmem.unmap(region)
const same = pmem === cjs.pmem && capabilities === cjs.capabilities
console.log(JSON.stringify({ same, accepted, closed: region.closed && other.closed }))
