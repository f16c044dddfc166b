// npm run test:package [-- --packed]: builds and packs what would be published, and tests that. With --packed it tests what
// is in dist-packages/ on this platform, which takes nothing but Node.js and npm.
import { describe } from './lib/counts.mjs'
import { testPackages, testPacked } from './lib/packages/tests.mjs'
import { main } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'

async function buildAndTest() {
  await setUp()
  return testPackages()
}

await main(async () => {
  const counts = process.argv.includes('--packed') ? await testPacked() : await buildAndTest()
  if (counts.failed) process.exitCode = 1
  console.log(describe(counts))
})
