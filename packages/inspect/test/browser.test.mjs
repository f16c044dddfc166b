/** What people see and do, in Chromium. */

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { chromium } from 'playwright-core'
import { NO_CHROMIUM, launch } from '../../../scripts/lib/chromium.mjs'
import { folder, inspected, journal, line, objects, until, writing } from './helpers.mjs'
import { sampleBlocks, sampleJournal, sampleLog, sampleStore } from './samples.mjs'

const browser = await launch(chromium)
test.after(() => browser?.close())

/** A test with a browser, which asks nobody but the inspector for anything and finds nothing wrong, unless that is expected. */
function seen(name, act, isWrong = false) {
  test(name, { skip: browser ? false : NO_CHROMIUM }, async (t) => {
    const troubles = []
    const show = async (path, options = {}) => {
      const { address } = await inspected(t, path)
      const context = await browser.newContext({ viewport: { width: 1180, height: 720 }, ...options })
      t.after(() => context.close())
      await context.route('**', (route) => {
        if (route.request().url().startsWith(address) || route.request().url().startsWith('data:')) return route.continue()
        troubles.push(`asked for ${route.request().url()}`)
        return route.abort()
      })
      const page = await context.newPage()
      page.on('console', (message) => troubles.push(message.text()))
      page.on('pageerror', (error) => troubles.push(error.message))
      page.asked = performance.now()
      await page.goto(address)
      return page
    }
    await act(t, show)
    if (!isWrong) assert.deepEqual(troubles, [])
  })
}

/** Text of what the keyboard is at. */
const active = (page) => page.locator('[aria-selected=true]').textContent()
const isAt = (page, wanted) => until(async () => wanted.test(await active(page)), `${wanted} is chosen`)
const press = async (page, ...keys) => {
  for (const key of keys) await page.keyboard.press(key)
}
const text = (page, selector) => page.locator(selector).innerText()

/** A store of a million entries, and a Map beside. */
function largeStore(here) {
  const path = join(here, 'large.store')
  const store = objects.open(path, { root: () => ({ first: 1 }) })
  store.root.list = Array.from({ length: 1_000_000 }, (_, index) => index * 3)
  store.root.sorted = store.sortedMap(Array.from({ length: 20_000 }, (_, index) => [`key ${index}`, index]))
  store.close()
  return path
}

seen('a store of a million entries opens at once, and scrolls to its end', async (t, show) => {
  const path = largeStore(folder(t))
  const page = await show(path)
  await page.getByRole('treeitem', { name: /^list/ }).click()
  await press(page, 'ArrowRight')
  await page.getByRole('treeitem', { name: /^9 ?: ?27$/ }).waitFor()
  const took = Math.round(performance.now() - page.asked)
  t.diagnostic(`a store of a million entries was open after ${took} ms`)
  assert.ok(took < 10_000)
  await press(page, 'End')
  await page.getByRole('treeitem', { name: /^999999 ?: ?2999997$/ }).waitFor()
  assert.equal(await text(page, '#status'), '1\u202f000\u202f004 rows')
  // By the scroll bar: the middle is the middle.
  await page.locator('.scroller').evaluate((element) => (element.scrollTop = element.scrollHeight / 2))
  const shown = page.locator('.row .key', { hasText: /^\d+$/ }).first()
  await until(async () => Math.abs(Number(await shown.innerText()) - 500_000) < 100, 'the middle is shown')
  const row = page.locator('.row').nth(8)
  await until(async () => /^\d+:\d+$/.test(await row.textContent()), 'its entries are there')
  const [key, value] = (await row.textContent()).split(':').map(Number)
  assert.equal(value, 3 * key)
  // The wheel moves by rows, also where a pixel of the bar is more.
  await page.mouse.move(300, 300)
  await page.mouse.wheel(0, 260)
  await until(async () => (await row.textContent()) === `${key + 10}:${value + 30}`, 'the wheel moves by ten rows')
})

seen('the keyboard moves, opens and closes', async (t, show) => {
  const page = await show(sampleStore(folder(t)))
  await page.getByRole('treeitem', { name: /^users/ }).waitFor()
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('role')), 'tree')
  await press(page, 'ArrowDown')
  await isAt(page, /^users/)
  await press(page, 'ArrowRight', 'ArrowRight')
  await isAt(page, /^'ada'/)
  const ada = page.locator('[aria-selected=true]')
  assert.deepEqual(await ada.evaluate((element) => ['role', 'aria-level', 'aria-posinset', 'aria-setsize', 'aria-expanded'].map((name) => element.getAttribute(name))), ['treeitem', '3', '1', '2', 'false'])
  assert.equal(await page.locator('.scroller').getAttribute('aria-activedescendant'), await ada.getAttribute('id'))
  await press(page, 'Enter', 'ArrowDown', 'ArrowDown')
  await until(async () => (await text(page, '#detail h2')) === "root.users.get('ada').visits", 'its path is shown')
  assert.equal(await text(page, '#detail pre'), '3')
  await press(page, 'ArrowLeft')
  await isAt(page, /^'ada'/)
  await press(page, 'ArrowLeft', 'ArrowLeft', 'ArrowLeft')
  await isAt(page, /^users/)
  await page.locator('[aria-selected=true][aria-expanded=false]').waitFor()
  await press(page, 'Home', 'PageDown', 'End', 'ArrowUp', 'ArrowDown', 'ArrowDown')
  await isAt(page, /^long/)
  await until(async () => (await text(page, '#detail pre')) === 'long '.repeat(1000), 'all of a text is shown')
})

seen('the mouse opens and closes, and bytes are shown as such', async (t, show) => {
  const page = await show(sampleStore(folder(t)))
  await page.getByRole('treeitem', { name: /^list/ }).locator('.twist').click()
  await page.getByRole('treeitem', { name: 'Uint8Array' }).click()
  await until(async () => (await text(page, '#detail h2')) === 'root.list[7]', 'it is shown')
  assert.match(await text(page, '#detail pre'), /^00000 {2}01 02 ff/)
  await page.getByRole('treeitem', { name: /^list/ }).locator('.twist').click()
  await page.getByRole('treeitem', { name: 'Uint8Array' }).waitFor({ state: 'detached' })
  await page.getByRole('treeitem', { name: /^list/ }).dblclick()
  await page.getByRole('treeitem', { name: 'Uint8Array' }).waitFor()
})

seen('search goes to each find', async (t, show) => {
  const page = await show(sampleStore(folder(t)))
  await page.getByRole('treeitem', { name: /^users/ }).waitFor()
  await press(page, '/')
  await page.keyboard.type('value 499')
  await until(async () => /^6 found in .*entries$/.test(await text(page, '#status')), 'the finds are counted')
  await until(async () => (await active(page)) === "499:'value 499'", 'the first find is shown')
  await press(page, 'Enter')
  await until(async () => (await active(page)) === "4991:'value 4991'", 'the next find is shown')
  await press(page, 'Shift+Enter', 'Shift+Enter')
  await until(async () => (await active(page)) === "4999:'value 4999'", 'the last find is shown')
  await page.locator('input').fill('nowhere at all')
  await until(async () => (await text(page, '#status')).startsWith('0 found in'), 'it is said that there is none')
})

seen('a store that is written to meanwhile is shown anew', async (t, show) => {
  const path = sampleStore(folder(t))
  const page = await show(path)
  await page.getByRole('treeitem', { name: /^users/ }).waitFor()
  const write = writing(t, `
    const attempt = () => {
      try {
        const store = objects.open(${JSON.stringify(path)})
        store.root.later = 1
        store.close()
        console.log('written')
      } catch { setTimeout(attempt, 50) }
    }
    attempt()`)
  await line(write)
  await page.getByRole('treeitem', { name: /^holes/ }).locator('.twist').click()
  await page.getByRole('treeitem', { name: /^later/ }).waitFor()
})

seen('a store that is locked is said to be, and then shown', async (t, show) => {
  const path = sampleStore(folder(t))
  const writer = writing(t, `const store = objects.open(${JSON.stringify(path)}); console.log('open'); process.stdin.resume()`)
  await line(writer)
  const page = await show(path)
  const problem = page.getByRole('alert')
  await problem.waitFor()
  assert.match(await problem.innerText(), /EAGAIN/)
  writer.kill('SIGKILL')
  await writer.ended
  await problem.getByRole('button').click()
  await page.getByRole('treeitem', { name: /^users/ }).waitFor()
  assert.equal(await problem.isVisible(), false)
}, true)

seen('what is damaged still has bytes', async (t, show) => {
  const path = sampleStore(folder(t))
  const bytes = readFileSync(path)
  bytes.fill(0xff, 8, 8192)
  writeFileSync(path, bytes)
  const page = await show(path)
  await page.getByRole('option', { name: '50 4d 45 4d 48 45 41 50' }).waitFor()
  assert.match(await text(page, '#problem'), /ERR_PMEM|damaged/)
}, true)

seen('records of another process come live, until somebody looks back', async (t, show) => {
  const path = sampleJournal(folder(t), Array.from({ length: 500 }, (_, index) => `record ${index}`))
  const page = await show(path)
  await page.getByRole('option', { name: 'record 499' }).waitFor()
  const writer = writing(t, `
    const events = journal.open(${JSON.stringify(path)})
    process.stdin.on('data', (data) => console.log(events.append(String(data).trim())))`)
  const append = (data) => writer.stdin.write(`${data}\n`)
  append('live one')
  await page.getByRole('option', { name: 'live one' }).waitFor()
  const follow = page.getByRole('button', { name: 'Follow' })
  assert.equal(await follow.getAttribute('aria-pressed'), 'true')
  await press(page, 'Home')
  await until(async () => (await follow.getAttribute('aria-pressed')) === 'false', 'it does not follow any more')
  await page.getByRole('option', { name: 'record 0' }).waitFor()
  append('live two')
  await press(page, 'f')
  await page.getByRole('option', { name: 'live two' }).waitFor()
  await page.getByRole('option', { name: 'live one' }).click()
  await until(async () => (await text(page, '#detail h2')) === 'Record 500', 'the record is shown')
  assert.equal(await text(page, '#detail pre'), 'live one')
})

seen('the time axis leads to records, by mouse and keyboard', async (t, show) => {
  const path = join(folder(t), 'events')
  const events = journal.open(path)
  for (let round = 0; round < 60; round += 1) {
    events.appendMany(Array.from({ length: 20 }, (_, index) => `round ${round}, ${index}`))
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  events.close()
  const page = await show(path)
  await page.locator('.bars i').first().waitFor({ state: 'attached' })
  const bars = page.getByRole('slider')
  await bars.click({ position: { x: 2, y: 30 } })
  await isAt(page, /round 0, 0$/)
  await bars.focus()
  await press(page, 'ArrowRight')
  await until(async () => !(await active(page)).endsWith('round 0, 0'), 'a later record is chosen')
  assert.ok((await page.locator('.bars i[data-seen]').count()) > 0)
})

seen('a log is followed', async (t, show) => {
  const path = sampleLog(folder(t), 'A'.repeat(1000))
  const page = await show(path)
  await page.getByRole('option', { name: 'AAAAAAAA' }).last().waitFor()
  await line(writing(t, `const log = pmemlog.open(${JSON.stringify(path)}); log.append('the end'); console.log('appended')`))
  await page.getByRole('option', { name: 'the end' }).waitFor()
  await until(async () => (await text(page, '#status')) === '1\u202f007 bytes', 'its length is shown')
})

seen('what came while bytes were on their way is shown', async (t, show) => {
  const path = sampleLog(folder(t), 'A'.repeat(100))
  const page = await show(path)
  await page.getByRole('option', { name: 'AAAAAAAA' }).last().waitFor()
  const late = []
  await page.route('**/bytes*', async (route) => {
    const response = await route.fetch()
    await new Promise((resolve) => late.push(resolve))
    await route.fulfill({ response })
  })
  const append = (data) => line(writing(t, `const log = pmemlog.open(${JSON.stringify(path)}); log.append('${data}'); console.log('appended')`))
  await append('first')
  await until(async () => late.length > 0 && (await text(page, '#status')) === '105 bytes', 'bytes are on their way')
  await append('second')
  await until(async () => (await text(page, '#status')) === '111 bytes', 'it is known that there are more')
  await until(() => late.splice(0).map((release) => release()).length > 0, 'the late answers come')
  await page.unroute('**/bytes*')
  await page.getByRole('option', { name: 'firstsecond' }).waitFor()
})

seen('the map of blocks shows their states, and the block that is chosen', async (t, show) => {
  const page = await show(sampleBlocks(folder(t)))
  await page.getByRole('gridcell', { name: 'Block 1: written' }).click()
  await until(async () => /block on/.test(await text(page, '#detail pre')), 'its bytes are shown')
  await press(page, 'ArrowRight', 'ArrowRight')
  await until(async () => (await text(page, '#detail h2')) === 'Block 3', 'another one is chosen')
  assert.match(await text(page, '#detail dl'), /error/)
  assert.equal(await page.locator('.scroller').getAttribute('aria-activedescendant'), 'active-block')
  await press(page, 'End')
  await page.locator('[data-active]').waitFor()
  assert.match(await text(page, '#detail h2'), /^Block \d{4,}$/)
})

seen('light and dark are as the system has them', async (t, show) => {
  const path = sampleStore(folder(t))
  const brightness = async (colorScheme) => {
    const page = await show(path, { colorScheme })
    await page.getByRole('treeitem', { name: /^users/ }).waitFor()
    const [ground, ink] = await page.evaluate(() => {
      const { backgroundColor, color } = getComputedStyle(document.body)
      return [backgroundColor, color].map((value) => value.match(/\d+/g).reduce((sum, part) => sum + Number(part), 0))
    })
    return ground - ink
  }
  assert.ok((await brightness('light')) > 300)
  assert.ok((await brightness('dark')) < -300)
})

seen('other names of the page, and other pages, reach nothing', async (t, show) => {
  const page = await show(sampleLog(folder(t)))
  const address = page.url()
  const statuses = await page.evaluate(async (localhost) => {
    const run = await fetch(localhost).then(() => 'answered', () => 'refused')
    const element = document.createElement('script')
    element.textContent = 'window.ran = true'
    document.body.append(element)
    return [run, window.ran]
  }, address.replace('127.0.0.1', 'localhost'))
  assert.deepEqual(statuses, ['refused', undefined])
}, true)
