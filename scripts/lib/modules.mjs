import { createHash } from 'node:crypto'
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { root, step } from './run.mjs'

/** Installs what the lock file in `folder` pins, unless that very lock file is what is installed; by the command `npm`, in `env`. */
export async function installModules(label, folder, [command, ...args] = ['npm'], env = {}) {
  const lock = readFileSync(join(folder, 'package-lock.json'))
  const hash = createHash('sha256').update(lock).digest('hex')
  const stamp = join(folder, 'node_modules/.installed-lock')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return
  // Both settings may come from the environment of an `npm --silent` or of a production machine.
  await step(label, command, [...args, 'ci', '--include=dev', '--loglevel=error'], { cwd: folder, env })
  writeFileSync(stamp, hash)
}

/** Has programs in `folder`, whose modules are installed, import the checkout's package by its name, as users do. */
export function linkPackage(folder) {
  const modules = join(folder, 'node_modules')
  if (!existsSync(join(modules, 'pmem'))) symlinkSync(relative(modules, root), join(modules, 'pmem'))
}
