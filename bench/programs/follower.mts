// follower.mjs folder: follows a journal, and sends when it saw each record, by the clock that all processes share.
import { journal } from 'pmem'

const records = journal.open(process.argv[2]!, { readonly: true })
process.once('disconnect', () => process.exit())
process.send!('ready')
for await (const _ of records.follow({ from: records.next })) process.send!(String(process.hrtime.bigint()))
