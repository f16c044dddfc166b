import { mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './run.mjs'

/**
 * Runs the `js` fences of a companion's README in `where`, an empty folder: each is a whole ES module, and comments `// => text` are the
 * lines that it prints. Resolves to what each should print and what it printed.
 */
export async function runExamples(companion, where) {
  linkModules(companion, join(where, 'node_modules'))
  const page = readFileSync(join(companion, 'README.md'), 'utf8')
  const examples = Array.from(page.matchAll(/^```js\n(.*?)^```$/gms), ([, code]) => code)
  if (examples.length === 0) throw new Error(`${companion}: the README has no example`)
  return Promise.all(examples.map((code, index) => runExample(code, join(where, `${index}`))))
}

/** Links the companion and its modules to where the examples find them. */
function linkModules(companion, to) {
  mkdirSync(to)
  symlinkSync(companion, join(to, JSON.parse(readFileSync(join(companion, 'package.json'), 'utf8')).name))
  const modules = join(companion, 'node_modules')
  for (const name of readdirSync(modules)) symlinkSync(join(modules, name), join(to, name))
}

async function runExample(code, folder) {
  mkdirSync(folder)
  writeFileSync(join(folder, 'example.mjs'), code)
  const { output } = await run(process.execPath, ['example.mjs'], { cwd: folder })
  const expected = Array.from(code.matchAll(/\/\/ => (.*)$/gm), ([, line]) => `${line}\n`).join('')
  return { code, expected, output }
}
