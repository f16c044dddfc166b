// exit.mjs path end [memory]: writes a file through regions that it leaves open, and ends as it is told.
import { pmem } from 'pmem'
import { hasViews } from '../lib/package.mjs'

const [path, end, memory] = process.argv.slice(2)
const region = pmem.map(path, undefined, { memory })
region.write('written ')
if (hasViews) region.view(Uint8Array, 8).set(Buffer.from('stored'))
else region.copyFrom('stored', 8)
void region.persistAsync()

if (end === 'exit') process.exit(7)
if (end === 'throw') throw new Error('the program failed')
if (end === 'kill') process.kill(process.pid, 'SIGKILL')
