import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

/** Where the typings are that TypeScript before 5.7 takes, below the folder of the others. */
const OLDER = 'types-5.6'

/** What is generic since TypeScript 5.7, with its arguments. */
const GENERIC = /\b((?:Big)?(?:Ui|I)nt\d+(?:Clamped)?Array|Float\d+Array|DataView|ArrayBufferView|Buffer)<[^<>]*>/g

/**
 * Completes the typings in `folder`: removes those that none of `entries`, paths below it, reaches, and writes the rest for
 * older compilers too, to whom views do not say in what memory they lie.
 */
export function completeTypings(folder, entries) {
  const reached = new Set()
  for (const entry of entries) reach(join(folder, entry), reached)
  for (const file of readdirSync(folder, { recursive: true }).filter((name) => /\.d\.m?ts$/.test(name))) {
    const path = join(folder, file)
    if (!reached.has(path)) rmSync(path)
  }
  for (const path of reached) {
    const older = join(folder, OLDER, relative(folder, path))
    mkdirSync(dirname(older), { recursive: true })
    writeFileSync(older, readFileSync(path, 'utf8').replace(GENERIC, '$1'))
  }
}

/** Adds a file of typings and all that it imports. */
function reach(path, reached) {
  if (reached.has(path)) return
  reached.add(path)
  for (const [, name] of readFileSync(path, 'utf8').matchAll(/(?:\bfrom |\bimport\()'(\.[^']+)'/g)) {
    reach(join(dirname(path), name.replace(/\.(m?)js$/, '.d.$1ts')), reached)
  }
}
