import { existsSync } from 'node:fs'
import { installDebian } from './debian.mjs'

const PATH = '/usr/bin/chromium'

/** What tests say that need it where it is not. */
export const NO_CHROMIUM = 'Chromium is not installed: apt-get install chromium'

/** Debian's Chromium, where it is or can be installed. `chromium` is that of the caller's `playwright-core`. */
export async function launch(chromium) {
  if (!existsSync(PATH) && !(await installDebian(['chromium']))) return undefined
  // Its sandbox is not for root, nor for containers.
  return chromium.launch({ executablePath: PATH, args: ['--no-sandbox'] })
}
