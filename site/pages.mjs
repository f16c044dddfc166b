// Which pages there are, in which order, and where they come from.
import { cpSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { renderApi } from './api/render.mjs'

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url))

/** Where all pages are put together. */
export const pages = path('build/pages')

/** Every page of `docs/`, and of the modules. */
const GROUPS = {
  Guide: ['start', 'objects', 'journal', 'regions', 'log', 'blocks'],
  'What holds': ['guarantees', 'reliability', 'platforms', 'speed', 'benchmarks'],
  'Where it runs': ['electron', 'adapters', 'beyond-one-machine', 'cli'],
  Recipes: ['recipes/json-lines', 'recipes/warm-cache', 'recipes/electron-settings', 'recipes/worker-table', 'recipes/audit-trail', 'recipes/last-lines'],
  Migrating: ['migrating/append-file', 'migrating/conf', 'migrating/better-sqlite3', 'migrating/pynvm', 'migrating/libpmemobj'],
  Formats: ['objects-format', 'heap-format', 'journal-format'],
  API: ['api/index', 'api/objects', 'api/journal', 'api/pmem', 'api/pmemlog', 'api/pmemblk', 'api/pino', 'api/native-binding'],
}

/** Puts all pages together, and sees that they are those of the navigation. */
export async function gather() {
  rmSync(pages, { recursive: true, force: true })
  cpSync(path('../docs'), pages, { recursive: true })
  cpSync(path('home.md'), join(pages, 'index.md'))
  await renderApi(join(pages, 'api'))
  checkNavigation(namesOf(pages), Object.values(GROUPS).flat())
}

/** The names of the pages in a folder, but for its first one. */
function namesOf(folder) {
  const files = readdirSync(folder, { recursive: true }).filter((file) => file.endsWith('.md'))
  return files.map((file) => file.slice(0, -'.md'.length).replaceAll('\\', '/')).filter((name) => name !== 'index')
}

/** Throws where the navigation has no such page, or leaves one out. */
export function checkNavigation(there, listed) {
  const missing = listed.filter((name) => !there.includes(name)).map((name) => `${name}: in the navigation, but there is no such page`)
  const lost = there.filter((name) => !listed.includes(name)).map((name) => `${name}: a page that the navigation does not have`)
  const wrong = [...missing, ...lost]
  if (wrong.length > 0) throw new Error(`The navigation is in site/pages.mjs.\n${wrong.join('\n')}`)
}

/** The sidebar: each page by its own heading. */
export function sidebar() {
  return Object.entries(GROUPS).map(([text, names]) => ({ text, items: names.map((name) => ({ text: titleOf(name), link: `/${name.replace(/index$/, '')}` })) }))
}

/** A page's heading, without what makes it code. */
function titleOf(name) {
  const [, heading] = /^# (.+?)(?: \{#.*)?$/m.exec(readFileSync(join(pages, `${name}.md`), 'utf8')) ?? []
  if (!heading) throw new Error(`${name}.md has no heading`)
  return heading.replaceAll('`', '').trim()
}
