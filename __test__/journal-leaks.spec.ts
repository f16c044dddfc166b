/** What is left of journals that were opened and closed. A file of its own: it counts what the process has. */

import { readdirSync } from 'node:fs'
import { journal } from 'pmem'
import { journalFolder } from './helpers/journals.js'
import { linux } from './helpers/linux.js'
import { maps } from './helpers/memory.js'
import { MiB, durableIsCheap } from './helpers/pools.js'

linux('opening again and again leaves nothing behind: no descriptor, no mapping, no memory', async (t) => {
  t.timeout(120_000)
  const path = journalFolder(t)
  const rounds = durableIsCheap ? 5000 : 200
  const open = async (options: journal.OpenOptions) => {
    const events = journal.open(path, options)
    if (events.next < 10 && !events.readonly) events.append('x')
    for await (const record of events.follow()) if (record.sequence + 1 === events.next) break
    events.close()
  }
  const both = async () => {
    await open({})
    await open({ readonly: true })
  }
  const count = () => [readdirSync('/proc/self/fd').length, maps().filter((line) => line.includes(path)).length, readdirSync('/proc/self/task').length]
  // Until the runtime has what it keeps.
  for (let round = 0; round < rounds / 5; round += 1) await both()
  globalThis.gc?.()
  const [before, memory] = [count(), process.memoryUsage.rss()]
  for (let round = 0; round < rounds; round += 1) await both()
  globalThis.gc?.()
  t.deepEqual(count(), before)
  t.true(process.memoryUsage.rss() - memory < 64 * MiB, `${(process.memoryUsage.rss() - memory) / MiB} MiB`)
  t.true(journal.check(path).sound)
})
