/** That what looks for faults of pages finds them: on small pages that have one each. */

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { checkNavigation } from '../pages.mjs'
import { seen, shown } from './browser.mjs'
import { PHONE, deadLinks, visit } from './visit.mjs'

/** Pages by what is found in them; a page without a fault has none. */
const PAGES = {
  'right.html': ['<h1 id="here">Right</h1><a href="#here">here</a><a href="right.html#here">here</a>'],
  'error.html': ['<h1>Error</h1><script>throw new Error("of this page")</script>', /^error: of this page$/],
  'console.html': ['<h1>Console</h1><script>console.error("said")</script>', /^console: said$/],
  'missing.html': ['<h1>Missing</h1><img src="missing.png">', /^404: .*missing\.png$/],
  'elsewhere.html': ['<h1>Elsewhere</h1><img src="http://127.0.0.1:9/pixel.png">', /^asks elsewhere: .*pixel\.png$/],
  'wide.html': ['<h1>Wide</h1><pre style="width: 400px">wide</pre>', /^is 4\d\d px wide where there are 360$/],
  'untitled.html': ['<p>Untitled</p>', /^has 0 first headings$/],
  'links.html': ['<h1>Links</h1><a href="nowhere.html">1</a><a href="right.html#nowhere">2</a><a href="#nowhere">3</a><a href="right.html">4</a>'],
}

test('each fault of a page is found', { ...seen, concurrency: 4 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'pmem-site-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  for (const [name, [body]] of Object.entries(PAGES)) writeFileSync(join(folder, name), `<!doctype html><link rel="icon" href="data:,">${body}`)
  const { context, address } = await shown(t, folder, { viewport: { width: PHONE, height: 740 } })
  const visited = new Map()
  const look = async (name, fault) => {
    const found = await visit(context, address, `/${name}`)
    visited.set(`/${name}`, found)
    if (fault) assert.ok(found.troubles.some((trouble) => fault.test(trouble)), found.troubles.join('\n'))
    else assert.deepEqual(found.troubles, [])
  }
  await Promise.all(Object.entries(PAGES).map(([name, [, fault]]) => t.test(name, () => look(name, fault))))
  const dead = ['nowhere.html', 'right.html#nowhere', 'links.html#nowhere'].map((link) => `/links.html: ${address}/${link}`)
  assert.deepEqual(deadLinks(visited, new Set()), dead)
})

test('a page that the navigation lacks, or has without there being one, is named', () => {
  assert.doesNotThrow(() => checkNavigation(['start', 'log'], ['log', 'start']))
  assert.throws(() => checkNavigation(['start', 'log'], ['start']), /\nlog: a page that the navigation does not have$/)
  assert.throws(() => checkNavigation(['start'], ['start', 'log']), /\nlog: in the navigation, but there is no such page$/)
})
