// npm start [-- file]: sets up what is missing and runs the main job.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { main, root } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'

await main(async () => {
  await setUp()
  const program = join(root, 'build/examples/main.js')
  // npm moves to the package's folder; a relative path is meant from where the user was.
  const cwd = process.env.INIT_CWD ?? process.cwd()
  const { status } = spawnSync(process.execPath, [program, ...process.argv.slice(2)], { cwd, stdio: 'inherit' })
  process.exitCode = status ?? 1
})
