// npm run test:package [-- --contents | --packed]: builds and packs what would be published, and tests that. Of what is in
// dist-packages/ already, --contents tests the files, and --packed that it works on this platform, with nothing but
// Node.js and npm.
import { describe } from './lib/counts.mjs'
import { testPackages, testPacked, testPackedContents } from './lib/packages/tests.mjs'
import { main } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'

async function test() {
  if (process.argv.includes('--packed')) return testPacked()
  if (process.argv.includes('--contents')) return testPackedContents()
  await setUp()
  return testPackages()
}

await main(async () => {
  const counts = await test()
  if (counts.failed) process.exitCode = 1
  console.log(describe(counts))
})
