/** What is shown beside: the thing that was chosen, and what is known of the file. */

import { byId, make } from './dom.js'
import { hexOf } from './hex.js'

/** Shows one thing: what it is called, facts of it, and all of its text or bytes. */
export function detail(title: string, known: object, content: { text?: string | undefined; bytes?: Uint8Array | undefined } = {}): void {
  const { text, bytes } = content
  byId('detail').hidden = false
  byId('detail').replaceChildren(
    make('h2', {}, title),
    facts(known),
    ...(text === undefined ? [] : [make('pre', { tabindex: 0 }, pretty(text))]),
    ...(bytes === undefined ? [] : [make('pre', { tabindex: 0, class: 'hex' }, hexOf(bytes))]),
  )
}

/** JSON is indented. */
function pretty(text: string): string {
  if (!/^\s*[[{]/.test(text)) return text
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2)
  } catch {
    return text
  }
}

/** Facts, also those of facts. */
export function facts(known: object): HTMLElement {
  const list = make('dl')
  for (const [name, value] of Object.entries(known) as [string, unknown][]) {
    if (value === undefined) continue
    list.append(make('dt', {}, name), make('dd', {}, ...factOf(name, value)))
  }
  return list
}

function factOf(name: string, value: unknown): (Node | string)[] {
  if (Array.isArray(value)) return value.length === 0 ? ['none'] : value.map((item) => (typeof item === 'object' ? facts(item as object) : `${String(item)} `))
  if (typeof value === 'object' && value !== null) return [facts(value)]
  return [typeof value === 'number' && /bytes|size|free|used|capacity|allocated|pinned/i.test(name) ? bytesOf(value) : String(value)]
}

/** A number of bytes, for people. */
export function bytesOf(count: number): string {
  if (count < 1024) return `${count} bytes`
  const unit = Math.min(4, Math.floor(Math.log2(count) / 10))
  return `${(count / 2 ** (10 * unit)).toFixed(1)} ${['KiB', 'MiB', 'GiB', 'TiB'][unit - 1]!}`
}

/** The bytes of base64. */
export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
}
