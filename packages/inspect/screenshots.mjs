// npm run docs:inspect: sets up what is missing and takes the pictures of the inspector, `docs/images/inspect-*.png`.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { NO_CHROMIUM, launch } from '../../scripts/lib/chromium.mjs'
import { setUpCompanion } from '../../scripts/lib/companions.mjs'
import { main, root, StepError } from '../../scripts/lib/run.mjs'

const images = join(root, 'docs/images')

/** What the pictures show: in which file, how, and what is done before. */
const PICTURES = [
  { name: 'store', make: makeStore, colorScheme: 'light', act: openStore },
  { name: 'journal', make: makeJournal, colorScheme: 'dark', act: (page) => page.getByRole('option').nth(8).click() },
  { name: 'blocks', make: makeBlocks, colorScheme: 'light', act: (page) => page.getByRole('gridcell', { name: /^Block 65:/ }).click() },
]

function makeStore({ objects }, path) {
  class User extends objects.Persistent {
    name = ''
    visits = 0
    since = new Date(0)
  }
  const store = objects.open(path, { classes: { User }, root: () => ({ users: new Map(), settings: { theme: 'dark', sizes: [12, 14, 18], beta: false }, visits: [] }) })
  const names = ['ada', 'grace', 'alan', 'edsger', 'barbara', 'donald']
  for (const [index, name] of names.entries()) {
    const user = new User()
    Object.assign(user, { name, visits: index * 7 + 3, since: new Date(Date.UTC(2026, index, 1)) })
    store.root.users.set(name, user)
  }
  store.root.visits = Array.from({ length: 100_000 }, (_, index) => index)
  store.root.byDay = store.sortedMap(names.map((name, index) => [['2026-01', index], name]))
  store.root.avatar = Uint8Array.from({ length: 48 }, (_, index) => index * 5)
  store.close()
}

async function openStore(page) {
  await page.getByRole('treeitem', { name: /^users/ }).dblclick()
  await page.getByRole('treeitem', { name: /^'ada'/ }).dblclick()
  await page.getByRole('treeitem', { name: /^settings/ }).dblclick()
  await page.getByRole('treeitem', { name: /^since/ }).click()
}

async function makeJournal({ journal }, path) {
  const events = journal.open(path)
  const kinds = ['login', 'visit', 'order', 'logout']
  for (let round = 0; round < 240; round += 1) {
    const count = 1 + Math.round(9 * (1 + Math.sin(round / 18)) + (round % 7))
    events.appendMany(Array.from({ length: count }, (_, index) => JSON.stringify({ what: kinds[(round + index) % 4], user: (round * 31 + index) % 500, ok: index % 9 > 0 })))
    await setTimeout(5)
  }
  events.close()
}

function makeBlocks({ pmemblk }, path) {
  const blocks = pmemblk.create(path, 512, 17 << 20)
  for (let index = 0; index < 2400; index += 1) if (Math.sin(index / 37) + Math.cos(index / 11) > -0.2) blocks.write(`block ${index}`, index)
  for (let index = 207; index < 2400; index += 411) blocks.setError(index)
  blocks.close()
}

/** Takes one picture. */
async function take(browser, { pmem, inspect }, folder, { name, make, colorScheme, act }) {
  const path = join(folder, `app.${name}`)
  await make(pmem, path)
  const inspector = await inspect(path)
  const page = await browser.newPage({ viewport: { width: 900, height: 440 }, colorScheme })
  await page.goto(inspector.address)
  await page.locator('.row .value, .cell.written').first().waitFor()
  await act(page)
  await page.locator('#detail dl').waitFor()
  // What is still on its way is drawn.
  await setTimeout(500)
  await page.screenshot({ path: join(images, `inspect-${name}.png`) })
  await page.close()
  await inspector.close()
}

await main(async () => {
  await setUpCompanion('inspect')
  const { chromium } = await import('playwright-core')
  const { default: pmem } = await import('pmem')
  const { inspect } = (await import('pmem-inspect')).default
  const browser = await launch(chromium)
  if (!browser) throw new StepError(NO_CHROMIUM)
  const folder = mkdtempSync(join(tmpdir(), 'pmem-inspect-'))
  mkdirSync(images, { recursive: true })
  try {
    for (const picture of PICTURES) await take(browser, { pmem, inspect }, folder, picture)
  } finally {
    await browser.close()
    rmSync(folder, { recursive: true, force: true })
  }
})
