// npm run server: builds the NATS server that the tests use, where Go and the module can be had, and says so where not.
import { Unavailable, goProgram } from '../../../../scripts/lib/tools.mjs'
import { version } from './server.mjs'

try {
  await goProgram('nats-server', 'github.com/nats-io/nats-server/v2', version)
} catch (error) {
  if (!(error instanceof Unavailable)) throw error
  console.log(`# its tests are skipped: ${error.message.replaceAll('\n', ' ')}`)
}
