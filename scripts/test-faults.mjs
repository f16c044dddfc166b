// npm run test:faults [-- filter | --dozen]: switches the deliberate faults on one at a time
// (`crates/pmem/src/os/deliberate.rs`) and prints which test of the core caught each. One that no test catches is a failure. The
// test that caught a fault last is run first (`scripts/lib/faults.json`, which a run brings up to date), all others only where
// it does not catch it any more. --dozen takes twelve faults, other ones at each commit, and leaves that file as it is.
import { CORE, buildTests } from './lib/cargo.mjs'
import { catchAll, dozen, faults, remember, remembered } from './lib/faults.mjs'
import { main } from './lib/run.mjs'

const [, , filter = ''] = process.argv

await main(async () => {
  const { pmem: executable } = await buildTests(CORE)
  const wanted = filter === '--dozen' ? await dozen() : faults().filter((fault) => fault.includes(filter))
  const known = remembered()
  const missed = []
  await catchAll(executable, wanted, (fault, found) => {
    const before = known[fault] && known[fault] !== found ? `, no more by ${known[fault]}` : ''
    console.log(`${fault}: ${found === null ? 'NOT CAUGHT' : `caught by ${found}`}${before}`)
    if (found === null) missed.push(fault)
    known[fault] = found
    if (filter !== '--dozen') remember(known)
  })
  if (missed.length > 0) console.log(`No test catches: ${missed.join('; ')}`)
  console.log(`${wanted.length - missed.length} passed, ${missed.length} failed`)
  if (missed.length > 0) process.exitCode = 1
})
