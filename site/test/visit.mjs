// What is wrong with pages as a browser shows them.

/** The width of a small phone, in CSS pixels. */
export const PHONE = 360

/**
 * Opens pages of one server and resolves to what is wrong with each: `troubles`, and what links need: `ids`, and `links` to the same
 * server.
 */
export async function visit(context, address, path) {
  const page = await context.newPage()
  const troubles = []
  listen(page, address, troubles)
  await page.goto(address + path, { waitUntil: 'networkidle' })
  const seen = await page.evaluate(look)
  await page.close()
  if (seen.width > seen.room) troubles.push(`is ${seen.width} px wide where there are ${seen.room}`)
  if (seen.headings !== 1) troubles.push(`has ${seen.headings} first headings`)
  return { troubles, ids: new Set(seen.ids), links: seen.links.filter((link) => link.startsWith(address)) }
}

function listen(page, address, troubles) {
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && troubles.push(`console: ${message.text()}`))
  page.on('pageerror', (error) => troubles.push(`error: ${error.message}`))
  page.on('requestfailed', (request) => troubles.push(`request failed: ${request.url()}`))
  page.on('response', (response) => response.status() >= 400 && troubles.push(`${response.status()}: ${response.url()}`))
  page.on('request', (request) => isElsewhere(request.url(), address) && troubles.push(`asks elsewhere: ${request.url()}`))
}

const isElsewhere = (url, address) => /^(https?|wss?):/.test(url) && !url.startsWith(`${address}/`)

/** Runs in the page. */
function look() {
  const { scrollWidth, clientWidth } = document.scrollingElement
  const all = (selector, of) => [...document.querySelectorAll(selector)].map(of)
  return {
    width: scrollWidth,
    room: clientWidth,
    headings: document.querySelectorAll('h1').length,
    ids: all('[id]', ({ id }) => id),
    links: all('a[href]', ({ href }) => href),
  }
}

/** Which links of pages, by their paths as `visit` saw them, lead to no page or to no place in one. `files` are what there is besides. */
export function deadLinks(visited, files) {
  return [...visited].flatMap(([path, { links }]) => [...new Set(links)].filter((link) => isDead(link, visited, files)).map((link) => `${path}: ${link}`))
}

function isDead(link, visited, files) {
  const { pathname, hash } = new URL(link)
  const target = pathname.endsWith('/') ? `${pathname}index.html` : pathname
  const page = visited.get(target)
  if (!page) return !files.has(target)
  return hash !== '' && !page.ids.has(decodeURIComponent(hash.slice(1)))
}
