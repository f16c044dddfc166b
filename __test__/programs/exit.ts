/** Writes the file that it is given through regions that it leaves open, and ends as it was told. */

import { capabilities, pmem } from 'pmem'

const [path = '', end] = process.argv.slice(2)
const region = pmem.map(path)
region.write('written ')
if (capabilities.externalBuffers) region.view(Uint8Array, 8).set(Buffer.from('stored'))
else region.copyFrom('stored', 8)
void region.persistAsync()
void pmem.map(path, undefined, { readonly: true })
console.log(JSON.stringify(region.closed))

if (end === 'exit') process.exit(7)
if (end === 'throw') throw new Error('the program failed')
if (end === 'kill') process.kill(process.pid, 'SIGKILL')
