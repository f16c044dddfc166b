/** Prints what the package can do here, and whether the file that it is given is persistent memory. */

import { capabilities, pmem } from 'pmem'

const [path = ''] = process.argv.slice(2)
const region = pmem.map(path)
console.log(JSON.stringify({ capabilities, isPmem: region.isPmem }))
region.close()
