import test from 'node:test'
import { chromium } from 'playwright-core'
import { NO_CHROMIUM, launch } from '../../scripts/lib/chromium.mjs'
import { serve } from '../../scripts/lib/static-server.mjs'

const browser = await launch(chromium)
test.after(() => browser?.close())

/** The options of a test that needs a browser. */
export const seen = { skip: browser ? false : NO_CHROMIUM }

/** A folder's pages behind a server, as long as the test runs: the server's address, and a context of the browser. */
export async function shown(t, folder, options) {
  const server = await serve(folder)
  const context = await browser.newContext(options)
  context.setDefaultTimeout(10_000)
  t.after(() => context.close().then(server.close))
  return { context, address: server.address }
}
