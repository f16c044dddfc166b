// npm run manifests [-- --check]: writes the manifest and the README of each platform's package into npm/, or says which are not
// what it would write, and fails where there is one.
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { platformFiles } from './lib/packages/platforms.mjs'
import { targets } from './lib/packages/targets.mjs'
import { root } from './lib/run.mjs'

const files = Object.assign({}, ...targets.map(platformFiles))

function write() {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, dirname(path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
}

/** The files that differ from what `write` would leave, and folders of platforms that there are no longer. */
function wrong() {
  const isRight = ([path, text]) => existsSync(join(root, path)) && readFileSync(join(root, path), 'utf8') === text
  const differing = Object.entries(files).filter((file) => !isRight(file)).map(([path]) => path)
  const known = targets.map(({ name }) => name)
  return [...differing, ...readdirSync(join(root, 'npm')).filter((name) => !known.includes(name)).map((name) => `npm/${name}`)]
}

if (process.argv.includes('--check')) {
  const paths = wrong()
  for (const path of paths) console.log(`${path}: run npm run manifests`)
  process.exitCode = paths.length > 0 ? 1 : 0
} else {
  write()
}
