// Markdown as GitHub shows it, where VitePress has other ideas: anchors, `<T>` and `{{` in text, links out of the documentation.
import { posix } from 'node:path'

/** HTML that pages may have; every other tag is text. */
const TAGS = new Set(['a', 'br', 'code', 'details', 'div', 'img', 'kbd', 'p', 'picture', 'source', 'sub', 'summary', 'sup'])

/** The anchor of a heading, as GitHub makes it. */
function slugify(text) {
  return text.trim().toLowerCase().replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, '').replaceAll(' ', '-')
}

/** The options by which VitePress shows pages as GitHub does. `repository` is where files that are no pages can be seen, if anywhere. */
export function markdown(repository) {
  return {
    anchor: { slugify },
    languageAlias: { mjs: 'js', cjs: 'js' },
    // Braces at the end of a paragraph are braces.
    attrs: { disable: true },
    config: (md) => asOnGitHub(md, repository),
  }
}

function asOnGitHub(md, repository) {
  md.core.ruler.push('unknown-tags', ({ tokens }) => each(tokens, unknownTagIsText))
  md.core.ruler.push('links-out', ({ tokens, env }) => each(tokens, (token, index, siblings) => linkOut(token, index, siblings, env.relativePath, repository)))
  md.core.ruler.before('anchor', 'given-anchors', ({ tokens }) => tokens.forEach(takeAnchor))
  for (const kind of ['text', 'code_inline']) bracesAreBraces(md.renderer.rules, kind)
}

/** What is between two braces would be an expression to Vue. */
function bracesAreBraces(rules, kind) {
  const render = rules[kind]
  rules[kind] = (...args) => render(...args).replaceAll('{{', '&#123;&#123;')
}

/** Calls `change` with each token, also those within others. */
function each(tokens, change) {
  for (const [index, token] of tokens.entries()) {
    change(token, index, tokens)
    if (token.children) each(token.children, change)
  }
}

function unknownTagIsText(token) {
  if (token.type !== 'html_inline' && token.type !== 'html_block') return
  const [, tag] = /^\s*<\/?([a-z][\w-]*)/i.exec(token.content) ?? []
  if (tag && !TAGS.has(tag.toLowerCase())) token.type = 'text'
}

/** Has a link to what is no page lead to the repository, or makes it the text that it is. */
function linkOut(token, index, siblings, page, repository) {
  if (token.type !== 'link_open' || !page) return
  const target = fileOf(token.attrGet('href'), page)
  if (target === undefined) return
  if (repository) token.attrSet('href', `${repository}/blob/HEAD/${target}`)
  else for (const end of [token, closing(siblings, index)]) Object.assign(end, { type: 'text', content: '' })
}

/** The file of the checkout that a page links to, where that is no page. */
function fileOf(href, page) {
  if (/^([a-z]+:|\/|#)/i.test(href)) return undefined
  const target = posix.join('docs', posix.dirname(page), href)
  return target.startsWith('docs/') ? undefined : target
}

const closing = (tokens, opened) => tokens.find(({ type }, index) => index > opened && type === 'link_close')

/** The anchor that a heading of an API page ends with: `## open() {#open}`. */
function takeAnchor(token, index, tokens) {
  if (token.type !== 'heading_open') return
  const last = tokens[index + 1].children.at(-1)
  const [text, id] = / *\{#([^}]+)\}$/.exec(last?.content ?? '') ?? []
  if (!id) return
  token.attrSet('id', id)
  last.content = last.content.slice(0, -text.length)
}
