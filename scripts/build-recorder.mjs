// npm run build:recorder: after a build, the native module that the tests of power cuts need.
import { main } from './lib/run.mjs'
import { buildRecorder } from './lib/setup.mjs'

await main(buildRecorder)
