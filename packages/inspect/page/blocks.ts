/** An array of blocks: a map of their states; the one that is chosen, with its bytes. */

import { ask, askBytes } from './ask.js'
import { bytesOf, detail } from './detail.js'
import { byId, grouped, make, problem, status } from './dom.js'
import { Pages } from './pages.js'
import { Scroller } from './scroller.js'

/** Blocks of a row, and those that are looked at at once. */
const [ROW, PAGE] = [64, 1024]

const STATES: Readonly<Record<string, string>> = { '#': 'written', '.': 'zero', '!': 'error' }

/** How much of a block is shown. */
const SHOWN = 1 << 16

class BlocksView {
  #count = 0
  #blockSize = 0
  #active = 0
  readonly #scroller = new Scroller({ role: 'grid', 'aria-label': 'Blocks', class: 'scroller blocks' }, 18, (row) => this.#row(row), () => {})
  readonly #pages = new Pages<string>(PAGE, (from, count) => marks(from, Math.min(count, this.#count - from)), (error) => (error === undefined ? this.#scroller.refresh() : problem(error)))

  async load(): Promise<void> {
    const { next, blockSize } = await ask<{ next: number; blockSize: number }>('state')
    this.#count = next
    this.#blockSize = blockSize
    this.#scroller.count = Math.ceil(next / ROW)
    const legend = Object.values(STATES).map((state) => make('span', {}, make('i', { class: `cell ${state}` }), state))
    byId('view').replaceChildren(make('div', { class: 'legend' }, ...legend), this.#scroller.element)
    this.#scroller.element.addEventListener('mousedown', ({ target }) => {
      const { block } = (target as HTMLElement).dataset
      if (block !== undefined) this.#choose(Number(block))
    })
    this.#scroller.element.addEventListener('keydown', (event) => this.#key(event))
    status(`${grouped(next)} blocks of ${bytesOf(blockSize)}`)
    this.#scroller.element.focus()
  }

  #row(row: number): HTMLElement {
    const element = make('div', { role: 'row', class: 'row', 'aria-rowindex': row + 1 }, make('b', { role: 'rowheader' }, String(row * ROW)))
    for (let block = row * ROW; block < Math.min((row + 1) * ROW, this.#count); block += 1) {
      const state = STATES[this.#pages.get(block) ?? ''] ?? 'loading'
      const isActive = block === this.#active
      element.append(make('i', { role: 'gridcell', class: `cell ${state}`, 'data-block': block, title: `Block ${block}: ${state}`, 'aria-label': `Block ${block}: ${state}`, ...(isActive && { 'data-active': '', id: 'active-block' }) }))
    }
    return element
  }

  #key(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.#scroller.seen) - 1) * ROW
    const moves: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -ROW, ArrowDown: ROW, PageUp: -page, PageDown: page, Home: -this.#active, End: this.#count }
    const by = moves[event.key]
    if (by === undefined) return
    event.preventDefault()
    this.#choose(Math.max(0, Math.min(this.#active + by, this.#count - 1)))
  }

  #choose(block: number): void {
    this.#active = block
    this.#scroller.activate(Math.floor(block / ROW))
    void this.#tell(block).catch(problem)
  }

  async #tell(block: number): Promise<void> {
    const state = STATES[this.#pages.get(block) ?? '']
    const known = { state, size: this.#blockSize }
    if (state === 'error') return detail(`Block ${block}`, known)
    const bytes = await askBytes('block', { index: block, from: 0, count: SHOWN })
    if (this.#active === block) detail(`Block ${block}`, known, { bytes })
  }
}

/** The marks of blocks: the server looks at as many as it can at once. */
async function marks(from: number, count: number): Promise<string[]> {
  const found: string[] = []
  while (found.length < count) {
    const some = new TextDecoder().decode(await askBytes('marks', { from: from + found.length, count: count - found.length }))
    if (some === '') break
    found.push(...some)
  }
  return found
}

export function showBlocks(): Promise<void> {
  return new BlocksView().load()
}
