// npm run pack:all: packs the root package and every platform's that is built into dist-packages/. The one for this
// machine is built first; where CI has brought binaries, only if it is missing.
import { existsSync, readdirSync } from 'node:fs'
import { buildTarget } from './lib/packages/build.mjs'
import { packAll, packed } from './lib/packages/pack.mjs'
import { binaryOf } from './lib/packages/platforms.mjs'
import { main } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'
import { hostTarget } from './lib/packages/targets.mjs'

await main(async () => {
  await setUp()
  const host = hostTarget()
  if (host && !(process.env.CI && existsSync(binaryOf(host)))) await buildTarget(host)
  await packAll()
  console.log(`\n${readdirSync(packed).length} packages are in ${packed}`)
})
