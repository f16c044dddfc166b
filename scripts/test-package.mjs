// npm run test:package [-- --contents | --packed]: builds and packs what would be published, and tests that. Of what is in
// dist-packages/ already, --contents tests the files, and --packed that it works on this platform, with nothing but
// Node.js and npm.
import { existsSync } from 'node:fs'
import { describe } from './lib/counts.mjs'
import { testPackages, testPacked, testPackedContents } from './lib/packages/tests.mjs'
import { packed } from './lib/packages/pack.mjs'
import { main, StepError } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'

const options = ['--packed', '--contents']

async function test() {
  const unknown = process.argv.slice(2).find((argument) => !options.includes(argument))
  if (unknown) throw new StepError(`${unknown} is not one of ${options.join(', ')}`)
  if (process.argv.length > 2 && !existsSync(packed)) throw new StepError('Nothing is packed: run `npm run pack:all` first')
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
