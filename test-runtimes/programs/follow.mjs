// Follows the journal of its argument, prints what is there and what comes, and ends by itself.
import { journal } from 'pmem'

const events = journal.open(process.argv[2])
// It does not keep the process alive; the wait does.
setTimeout(() => events.append('two'), 100).unref()
let count = 0
for await (const record of events.follow()) {
  console.log(record.text())
  if (++count === 2) break
}
