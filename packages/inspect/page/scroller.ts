/** A list of any length, of which only the rows exist that are seen. The keyboard moves its active row. */

import { make } from './dom.js'

/** The highest that a browser's element may be, with room to spare: a longer list is scrolled in larger steps. */
const HIGHEST = 8_000_000

/** So many rows beyond both ends are made, too. */
const BEYOND = 4

export class Scroller {
  readonly element: HTMLElement
  readonly #space = make('div', { class: 'space', role: 'presentation' })
  readonly #height: number
  readonly #row: (index: number) => HTMLElement
  readonly #activated: (index: number) => void
  #count = 0
  #active = 0
  #isDue = false

  /** @param row makes a row; @param activated hears which row is the active one now, after a key or a click */
  constructor(attributes: Record<string, string>, height: number, row: (index: number) => HTMLElement, activated: (index: number) => void) {
    this.element = make('div', { class: 'scroller', tabindex: 0, ...attributes }, this.#space)
    this.#height = height
    this.#row = row
    this.#activated = activated
    this.element.addEventListener('scroll', () => this.refresh())
    this.element.addEventListener('wheel', (event) => this.#wheel(event), { passive: false })
    this.element.addEventListener('keydown', (event) => this.#key(event))
    // A row may be made anew before a click is over.
    this.element.addEventListener('mousedown', ({ target }) => {
      const index = (target as Element).closest<HTMLElement>('[data-index]')?.dataset.index
      if (index !== undefined) this.activate(Number(index))
    })
    new ResizeObserver(() => this.refresh()).observe(this.element)
  }

  get count(): number {
    return this.#count
  }

  set count(count: number) {
    this.#count = count
    this.#active = Math.max(0, Math.min(this.#active, count - 1))
    this.#space.style.height = `${Math.min(count * this.#height, HIGHEST)}px`
    this.refresh()
  }

  get active(): number {
    return this.#active
  }

  /** The first row that is seen, in rows and parts of one. */
  get top(): number {
    const room = this.#room
    return room > 0 ? (this.element.scrollTop / room) * this.#last : 0
  }

  set top(row: number) {
    const last = this.#last
    this.element.scrollTop = last > 0 ? (Math.max(0, Math.min(row, last)) / last) * this.#room : 0
    this.refresh()
  }

  /** How many rows are seen. */
  get seen(): number {
    return this.element.clientHeight / this.#height
  }

  get isAtEnd(): boolean {
    return this.top >= this.#last - 1
  }

  /** The highest `top`. */
  get #last(): number {
    return Math.max(0, this.#count - this.seen)
  }

  /** How far it can be scrolled, in pixels. */
  get #room(): number {
    return Math.max(0, Math.min(this.#count * this.#height, HIGHEST) - this.element.clientHeight)
  }

  /** Makes a row the active one, and brings it into sight. */
  activate(index: number): void {
    this.#active = Math.max(0, Math.min(index, this.#count - 1))
    this.#show()
    this.#activated(this.#active)
  }

  #show(): void {
    const { top, seen } = this
    if (this.#active < top) this.top = this.#active
    else if (this.#active + 1 > top + seen) this.top = this.#active + 1 - seen
    this.refresh()
  }

  /** Draws anew, before the next frame. */
  refresh(): void {
    if (this.#isDue) return
    this.#isDue = true
    requestAnimationFrame(() => {
      this.#isDue = false
      this.#draw()
    })
  }

  #draw(): void {
    const { top, seen } = this
    const rows: HTMLElement[] = []
    const end = Math.min(this.#count, Math.ceil(top + seen) + BEYOND)
    for (let index = Math.max(0, Math.floor(top) - BEYOND); index < end; index += 1) {
      const row = this.#row(index)
      row.id = `row-${index}`
      row.dataset.index = String(index)
      row.setAttribute('aria-selected', String(index === this.#active))
      row.style.top = `${this.element.scrollTop + (index - top) * this.#height}px`
      row.style.height = `${this.#height}px`
      rows.push(row)
    }
    this.#space.replaceChildren(...rows)
    const cell = this.#space.querySelector('[data-active]')
    this.element.setAttribute('aria-activedescendant', cell?.id ?? `row-${this.#active}`)
  }

  /** Where a pixel is more than a pixel, the wheel still moves by rows. */
  #wheel(event: WheelEvent): void {
    if (this.#count * this.#height <= HIGHEST || event.ctrlKey || event.deltaX !== 0) return
    event.preventDefault()
    const pixels = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? event.deltaY * this.#height : event.deltaY
    this.top += pixels / this.#height
  }

  #key(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.seen) - 1)
    const moves: Record<string, number> = { ArrowUp: this.#active - 1, ArrowDown: this.#active + 1, PageUp: this.#active - page, PageDown: this.#active + page, Home: 0, End: this.#count - 1 }
    const wanted = moves[event.key]
    if (wanted === undefined || event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented) return
    event.preventDefault()
    this.activate(wanted)
  }
}
