// starting.mjs STORE FOLDER: opens a store, or none, changes it once, closes it, and prints how much memory that took.
import { mkdirSync } from 'node:fs'

const [name, folder] = process.argv.slice(2)
if (name) {
  mkdirSync(folder)
  const { open } = await import(`../stores/${name}.mjs`)
  const store = await open(folder)
  if (store.append) await store.append(0)
  else await store.overwrite(0, 0)
  await store.close()
}
console.log(process.memoryUsage.rss())
