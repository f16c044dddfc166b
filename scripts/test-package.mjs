// npm run test:package: builds and packs what would be published, and tests that.
import { describe } from './lib/counts.mjs'
import { testPackages } from './lib/package-tests.mjs'
import { main } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'

await main(async () => {
  await setUp()
  const counts = await testPackages()
  if (counts.failed) process.exitCode = 1
  console.log(describe(counts))
})
