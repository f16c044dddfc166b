import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { step } from './run.mjs'

/** Installs what the lock file in `folder` pins, unless that very lock file is what is installed. */
export async function installModules(label, folder) {
  const lock = readFileSync(join(folder, 'package-lock.json'))
  const hash = createHash('sha256').update(lock).digest('hex')
  const stamp = join(folder, 'node_modules/.installed-lock')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return
  // Both settings may come from the environment of an `npm --silent` or of a production machine.
  await step(label, 'npm', ['ci', '--include=dev', '--loglevel=error'], { cwd: folder })
  writeFileSync(stamp, hash)
}
