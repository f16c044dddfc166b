/** Bytes as numbers and as text. */

import { ask, askBytes } from './ask.js'
import { byId, grouped, make, problem, status } from './dom.js'
import { type Extent, following } from './following.js'
import { Pages } from './pages.js'
import { Scroller } from './scroller.js'

/** Bytes of a row, and rows of a page. */
const [ROW, PAGE] = [16, 1024]

function hexByte(byte: number): string {
  return byte.toString(16).padStart(2, '0')
}

function textOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '\u00b7')).join('')
}

/** Bytes as lines of text, 8 a line. */
export function hexOf(bytes: Uint8Array): string {
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += 8) {
    const some = bytes.subarray(at, at + 8)
    lines.push(`${at.toString(16).padStart(5, '0')}  ${Array.from(some, hexByte).join(' ').padEnd(23)}  ${textOf(some)}`)
  }
  return lines.join('\n')
}

/** Shows the bytes of a file, or of a log. */
export async function showBytes(isLog: boolean): Promise<void> {
  const [name, state] = isLog ? ['bytes', 'state'] : ['raw', 'rawState']
  let length = 0
  const pages = new Pages<Uint8Array>(
    PAGE,
    async (from, count) => {
      const bytes = await askBytes(name, { from: from * ROW, count: count * ROW })
      return Array.from({ length: Math.ceil(bytes.length / ROW) }, (_, row) => bytes.subarray(row * ROW, (row + 1) * ROW))
    },
    (error) => (error === undefined ? scroller.refresh() : problem(error)),
  )
  const scroller = new Scroller({ role: 'listbox', 'aria-label': 'Bytes', class: 'scroller hex' }, 22, rowOf, () => {})

  function rowOf(index: number): HTMLElement {
    const bytes = pages.get(index) ?? new Uint8Array()
    const cells = Array.from(bytes, (byte, at) => make('i', { class: byte === 0 ? 'zero' : byte < 0x20 || byte > 0x7e ? 'other' : undefined, ...(at === 8 && { 'data-half': '' }) }, hexByte(byte)))
    return make('div', { role: 'option', class: 'row' }, make('b', {}, (index * ROW).toString(16).padStart(8, '0')), make('span', { class: 'bytes' }, ...cells), make('span', { class: 'text' }, textOf(bytes)))
  }

  function grow({ next }: Extent): void {
    pages.forgetFrom(Math.floor(Math.min(next, length) / ROW))
    length = next
    scroller.count = Math.ceil(length / ROW)
    status(`${grouped(length)} bytes`)
  }

  byId('view').replaceChildren(scroller.element)
  grow(await ask<Extent>(state))
  if (isLog) following(scroller, grow)
  scroller.element.focus()
}
