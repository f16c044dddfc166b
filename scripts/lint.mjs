// npm run lint: sets up what is missing and runs every check that is not a test.
import { lint } from './lib/lint.mjs'
import { main } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'

await main(async () => {
  const failed = await lint(await setUp())
  if (failed) process.exitCode = 1
})
