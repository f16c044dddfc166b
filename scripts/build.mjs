// npm run build: the native module, the package, its tests and examples.
import { main } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'

await main(setUp)
