/** What readers of the site see and do, in Chromium. */

import assert from 'node:assert/strict'
import test from 'node:test'
import { seen, shown } from './browser.mjs'
import { path, pathsIn } from './paths.mjs'
import { PHONE, deadLinks, visit } from './visit.mjs'

const site = path('../dist')
const files = pathsIn(site)
const pages = files.filter((file) => file.endsWith('.html'))

test('every page is whole on a phone, and asks nobody else for anything', { ...seen, concurrency: 4 }, async (t) => {
  const { context, address } = await shown(t, site, { viewport: { width: PHONE, height: 740 } })
  const visited = new Map()
  const look = async (page) => {
    const found = await visit(context, address, page)
    visited.set(page, found)
    assert.deepEqual(found.troubles, [])
  }
  await Promise.all(pages.map((page) => t.test(page, () => look(page))))
  await t.test('every link leads to a page, and to a place that is there', () => {
    assert.equal(visited.size, pages.length)
    assert.deepEqual(deadLinks(visited, new Set(files)), [])
  })
})

test('the search finds a page by a word in it', seen, async (t) => {
  const { context, address } = await shown(t, site)
  const page = await context.newPage()
  await page.goto(address, { waitUntil: 'networkidle' })
  await page.keyboard.press('Control+k')
  await page.locator('#localsearch-input').fill('transactionAsync')
  await page.locator('.result').first().click()
  await page.waitForURL((url) => url.pathname !== '/')
  assert.match(await page.locator('main').innerText(), /transactionAsync/)
})

test('the dark colours are chosen, and stay', seen, async (t) => {
  const { context, address } = await shown(t, site, { colorScheme: 'light', viewport: { width: 1280, height: 800 } })
  const page = await context.newPage()
  const brightness = () => page.evaluate(() => Math.max(...getComputedStyle(document.body).backgroundColor.match(/\d+/g).slice(0, 3)))
  await page.goto(`${address}/start.html`)
  assert.ok((await brightness()) > 200)
  await page.locator('.VPNavBarAppearance .VPSwitchAppearance').click()
  await page.waitForFunction(() => document.documentElement.classList.contains('dark'))
  assert.ok((await brightness()) < 60)
  await page.reload()
  assert.ok((await brightness()) < 60)
})
