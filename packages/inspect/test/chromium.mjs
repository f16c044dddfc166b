import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { installDebian } from '../../../scripts/lib/debian.mjs'

const PATH = '/usr/bin/chromium'

/** Debian's Chromium, where it is or can be installed. */
export async function launch() {
  if (!existsSync(PATH) && !(await installDebian(['chromium']))) return undefined
  // Its sandbox is not for root, nor for containers.
  return chromium.launch({ executablePath: PATH, args: ['--no-sandbox'] })
}
