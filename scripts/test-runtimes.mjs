// npm run test:runtimes [-- filter]: sets up what is missing and runs the suite without a test framework in every
// JavaScript runtime. The filter is a part of the names of the checks wanted. The last line is the sum of all counts.
import { add, describe, none } from './lib/counts.mjs'
import { main, StepError } from './lib/run.mjs'
import { conditions, installRuntimes, testRuntime } from './lib/runtimes.mjs'
import { setUp } from './lib/setup.mjs'

let total = { ...none }

await main(async () => {
  await setUp()
  const names = await installRuntimes()
  if (names.length === 0) throw new StepError('The runtimes are pinned for Linux x64 alone')
  const sums = []
  for (const name of names) sums.push([name, await testRuntime(name, conditions(), ...process.argv.slice(2, 3))])
  console.log()
  for (const [name, counts] of sums) console.log(`${name}: ${describe(counts)}`)
  total = sums.reduce((sum, [, counts]) => add(sum, counts), total)
})
if (process.exitCode) total.failed += 1
if (total.failed) process.exitCode = 1
console.log(describe(total))
