// npm run test:docs: sets up what is missing, builds the documentation site and tests it in Chromium.
import { describe } from './lib/counts.mjs'
import { main } from './lib/run.mjs'
import { testSite } from './lib/site.mjs'

await main(async () => {
  const counts = await testSite()
  if (counts.failed) process.exitCode = 1
  console.log(describe(counts))
})
