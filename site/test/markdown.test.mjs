/** Markdown that GitHub and VitePress read differently. */

import assert from 'node:assert/strict'
import test from 'node:test'
import { createMarkdownRenderer } from 'vitepress'
import { markdown } from '../markdown.mjs'

/** Renders a page of `docs/`, or one below it. */
async function render(text, relativePath = 'page.md') {
  const renderer = await createMarkdownRenderer('.', markdown(undefined))
  return renderer.render(text, { relativePath, path: relativePath, cleanUrls: false })
}

test('what looks like HTML or Vue in text is text', async () => {
  assert.match(await render('A Map<T> of {{ braces }} and <b>.'), /A Map&lt;T&gt; of &#123;&#123; braces }} and &lt;b&gt;\./)
  assert.match(await render('<script>alert(1)</script>'), /&lt;script&gt;/)
  assert.equal(await render('`{{ a }}` &lt; <'), '<p><code>&#123;&#123; a }}</code> &lt; &lt;</p>\n')
  assert.match(await render('a <code>&#124;</code> b'), /a <code>\|<\/code> b/)
  assert.match(await render('Of `a` {b}'), /\{b\}/)
})

test('anchors are those of GitHub', async () => {
  assert.match(await render('## `Map.get()` & Node.js 20: 1_000'), /id="mapget--nodejs-20-1_000"/)
  assert.match(await render('## Same\n\n## Same'), /id="same"[^]*id="same-1"/)
  assert.match(await render('## open() {#open-2}'), /<h2 id="open-2"[^>]*>open\(\) </)
})

test('links to pages stay, and links out of them are their text', async () => {
  assert.match(await render('[a](other.md#b) [c](https://example.org)'), /href="\.\/other\.html#b"[^]*href="https:\/\/example\.org"/)
  assert.equal(await render('See [`a.ts`](../examples/a.ts), [b](../README.md#c).'), '<p>See <code>a.ts</code>, b.</p>\n')
  assert.equal(await render('[a](../../examples/a.ts)', 'recipes/page.md'), '<p>a</p>\n')
  assert.match(await render('[a](../other.md)', 'recipes/page.md'), /href="\.\/\.\.\/other\.html"/)
})
