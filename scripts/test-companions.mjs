// npm run test:companions [-- NAME...]: sets up what is missing and tests the packages in packages/, or those that are named.
import { companions, testCompanions } from './lib/companions.mjs'
import { describe } from './lib/counts.mjs'
import { main, StepError } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'

await main(async () => {
  const wanted = process.argv.slice(2)
  const unknown = wanted.find((name) => !companions.includes(name))
  if (unknown) throw new StepError(`${unknown} is not one of ${companions.join(', ')}`)
  await setUp()
  const counts = await testCompanions(wanted.length ? wanted : undefined)
  if (counts.failed) process.exitCode = 1
  console.log(describe(counts))
})
