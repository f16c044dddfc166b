/** The links of the documentation: each that is relative leads to a file that is there, and to a heading in it. */

import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import test from 'ava'
import { root } from './helpers/programs.js'
import { filesBelow } from './helpers/snippets.js'

const read = (file: string): string => readFileSync(join(root, file), 'utf8')

const companions = readdirSync(join(root, 'packages')).map((name) => `packages/${name}/README.md`)
const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', ...filesBelow('docs', '.md'), ...companions]

/** A page without its fences, in which nothing is a link or a heading. */
function prose(text: string): string {
  return text.replaceAll(/^([ \t]*)(`{3,}|~{3,})[^]*?^\1\2[ \t]*$/gm, '')
}

/** Where the links and images of a page lead: what is within backticks is none. */
function targets(text: string): string[] {
  const found = prose(text).replaceAll(/`[^`\n]*`/g, '').matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)|^\[[^\]]+\]:\s*(\S+)|<(?:img|a)\s[^>]*(?:src|href)="([^"]+)"/gm)
  return Array.from(found, ([, inline, reference, html]) => inline ?? reference ?? html ?? '')
}

/** The anchors of a page's headings, by the rule of GitHub: later ones of the same text are numbered. */
function anchors(text: string): Set<string> {
  const seen = new Map<string, number>()
  const names = Array.from(prose(text).matchAll(/^#{1,6} +(.*?)(?: +#+)?$/gm), ([, heading]) => {
    const plain = (heading ?? '').replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    const name = plain.toLowerCase().replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, '').replaceAll(' ', '-')
    const times = seen.get(name) ?? 0
    seen.set(name, times + 1)
    return times === 0 ? name : `${name}-${times}`
  })
  return new Set(names)
}

/** What is wrong with a link of a page; undefined where nothing is, or where it leads to the web. */
function fault(page: string, target: string): string | undefined {
  if (/^[a-z][a-z+.-]*:/i.test(target)) return undefined
  const [path = '', anchor] = target.split('#')
  const file = path === '' ? page : normalize(join(dirname(page), decodeURI(path)))
  if (path.startsWith('/') || file.startsWith('..')) return `${target} leaves the checkout`
  if (!existsSync(join(root, file))) return `${target}: there is no ${file}`
  if (anchor === undefined || !file.endsWith('.md')) return undefined
  return anchors(read(file)).has(anchor) ? undefined : `${target}: ${file} has no such heading`
}

for (const page of pages) {
  test(page, (t) => {
    t.deepEqual(targets(read(page)).flatMap((target) => fault(page, target) ?? []), [])
  })
}

test('every page of docs can be reached from the README', (t) => {
  const reached = new Set(['README.md'])
  for (const page of reached) {
    if (!page.endsWith('.md') || !existsSync(join(root, page))) continue
    for (const target of targets(read(page))) {
      if (!target.includes(':')) reached.add(normalize(join(dirname(page), target.split('#')[0] ?? '')))
    }
  }
  t.deepEqual(filesBelow('docs', '.md').filter((page) => !reached.has(page)), [])
})

test('links and headings are found, and wrong ones told', (t) => {
  const page = ['# One `two` three!', '## A, b', '## A, b', '```sh', '# no heading', '[no](link.md)', '```', '`[no](b.md)` [a](b.md#c) ![d](<e f> "g")', '[r]: h.md']
  t.deepEqual([...anchors(page.join('\n'))], ['one-two-three', 'a-b', 'a-b-1'])
  t.deepEqual(targets('`[no](b.md)` [a](b.md#c) ![d](e.png "g")\n[r]: h.md\n<img src="i.svg">'), ['b.md#c', 'e.png', 'h.md', 'i.svg'])
  t.is(fault('docs/objects.md', '../README.md#start'), undefined)
  t.is(fault('docs/objects.md', 'https://example.org/#x'), undefined)
  t.regex(fault('docs/objects.md', 'missing.md') ?? '', /no docs\/missing\.md/)
  t.regex(fault('docs/objects.md', '#missing') ?? '', /no such heading/)
  t.regex(fault('README.md', '../elsewhere.md') ?? '', /leaves the checkout/)
})
