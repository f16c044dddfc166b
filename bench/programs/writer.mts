// writer.mjs folder bytes end: appends records of so many bytes in all, then closes the journal, or is killed.
import { journal } from 'pmem'

const [folder, bytes, end] = process.argv.slice(2) as [string, string, string]
const records = journal.open(folder)
const batch = Array<Buffer>(512).fill(Buffer.alloc(128, 3))
for (let written = 0; written < Number(bytes); written += 512 * 160) records.appendMany(batch, { durable: false })
records.flush()
if (end === 'kill') process.kill(process.pid, 'SIGKILL')
records.close()
process.disconnect()
