// npm run server: builds the NATS server that the tests use, where Go and the module can be had, and says so where not.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, dirname } from 'node:path'
import { program, version } from './server.mjs'

if (!existsSync(program)) {
  const path = [process.env.PATH, '/usr/local/go/bin'].join(delimiter)
  const env = { ...process.env, PATH: path, GOBIN: dirname(program), GOFLAGS: '-p=1', GOTOOLCHAIN: 'local', CGO_ENABLED: '0' }
  const { status, error, stderr } = spawnSync('go', ['install', `github.com/nats-io/nats-server/v2@v${version}`], { env, encoding: 'utf8' })
  if (status !== 0) console.log(`# nats-server cannot be built, its tests are skipped: ${(error?.message ?? stderr).trim().replaceAll('\n', ' ')}`)
}
