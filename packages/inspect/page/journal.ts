/** A journal: its records, when they came, and those that come. */

import { ask } from './ask.js'
import { detail, fromBase64 } from './detail.js'
import { byId, grouped, make, problem, status } from './dom.js'
import { type Extent, following } from './following.js'
import { Pages } from './pages.js'
import { Scroller } from './scroller.js'

interface JournalRecord {
  readonly sequence: number
  readonly time: number
  readonly size: number
  readonly text?: string
  readonly base64?: string
}

/** When records came: parts of a time, each of which begins with a record. */
interface Axis {
  readonly from: number
  readonly to: number
  readonly starts: readonly number[]
  readonly next: number
}

/** How many records are loaded at once. */
const PAGE = 100

/** So often at most the axis is drawn anew, in milliseconds. */
const REDRAWN = 1000

class JournalView {
  #first = 0
  #next = 0
  #isAxisDue = false
  #axis: Axis | null = null
  readonly #bars = make('div', { class: 'bars', role: 'slider', tabindex: 0, 'aria-label': 'Time', 'aria-valuemin': 0 })
  readonly #times = make('div', { class: 'times' })
  readonly #scroller = new Scroller({ role: 'listbox', 'aria-label': 'Records' }, 26, (row) => this.#row(row), (row) => this.#activated(row))
  /** By sequences, which stay when older ones go. */
  readonly #pages = new Pages<JournalRecord | undefined>(
    PAGE,
    async (from, count) => {
      const records = await ask<JournalRecord[]>('records', { from, count })
      const page = Array.from<JournalRecord | undefined>({ length: count })
      for (const record of records) page[record.sequence - from] = record
      return page
    },
    (error) => (error === undefined ? this.#scroller.refresh() : problem(error)),
  )

  async load(): Promise<void> {
    byId('view').replaceChildren(make('div', { class: 'axis' }, this.#bars, this.#times), this.#scroller.element)
    this.#bars.addEventListener('click', ({ offsetX }) => this.#goTo(Math.floor((offsetX / this.#bars.clientWidth) * (this.#axis?.starts.length ?? 0))))
    this.#bars.addEventListener('keydown', (event) => this.#key(event))
    this.#scroller.element.addEventListener('scroll', () => this.#markSeen())
    this.#grow(await ask<Extent>('state'))
    following(this.#scroller, (extent) => this.#grow(extent))
    this.#scroller.element.focus()
  }

  #grow({ first = 0, next }: Extent): void {
    this.#pages.forgetFrom(this.#next)
    this.#first = first
    this.#next = next
    this.#scroller.count = next - first
    status(`${grouped(next - first)} records`)
    void this.#drawAxis().catch(problem)
  }

  #row(row: number): HTMLElement {
    const sequence = this.#first + row
    const record = this.#pages.get(sequence)
    const attributes = { role: 'option', class: 'row', 'aria-posinset': row + 1, 'aria-setsize': this.#scroller.count }
    const head = make('b', {}, String(sequence))
    if (!record) return make('div', attributes, head, make('span', { class: 'loading' }, '\u2026'))
    const content = record.text === undefined ? make('span', { class: 'value Uint8Array' }, `${record.size} bytes`) : make('span', { class: 'value' }, record.text.replaceAll(/\s+/g, ' '))
    return make('div', attributes, head, make('time', {}, timeOf(record.time)), content)
  }

  #activated(row: number): void {
    void this.#tell(this.#first + row).catch(problem)
  }

  async #tell(sequence: number): Promise<void> {
    const record = await ask<JournalRecord | null>('record', { sequence })
    if (this.#first + this.#scroller.active !== sequence || !record) return
    const { time, size, text, base64 } = record
    detail(`Record ${sequence}`, { time: new Date(time).toISOString(), size }, base64 === undefined ? { text } : { bytes: fromBase64(base64) })
  }

  async #drawAxis(): Promise<void> {
    if (this.#isAxisDue) return
    this.#isAxisDue = true
    const axis = await ask<Axis | null>('axis')
    setTimeout(() => {
      this.#isAxisDue = false
      if (axis?.next !== this.#next) void this.#drawAxis().catch(problem)
    }, REDRAWN)
    this.#axis = axis
    if (!axis) return this.#bars.replaceChildren()
    const counts = axis.starts.map((start, part) => (axis.starts[part + 1] ?? axis.next) - start)
    const most = Math.max(...counts, 1)
    this.#bars.replaceChildren(
      ...counts.map((count, part) => {
        const bar = make('i', { title: `${timeOf(this.#timeAt(part))}: ${grouped(count)} records` })
        bar.style.height = count === 0 ? '0' : `${Math.max(6, (100 * count) / most)}%`
        return bar
      }),
    )
    this.#bars.setAttribute('aria-valuemax', String(counts.length - 1))
    this.#times.replaceChildren(make('time', {}, timeOf(axis.from)), make('time', {}, timeOf(axis.to)))
    this.#markSeen()
  }

  /** When a part begins. */
  #timeAt(part: number): number {
    const { from, to, starts } = this.#axis!
    return from + ((to - from) * part) / starts.length
  }

  /** The part in which a record is. */
  #partOf(sequence: number): number {
    return this.#axis!.starts.findLastIndex((start) => start <= sequence)
  }

  #markSeen(): void {
    if (!this.#axis) return
    const top = this.#first + Math.floor(this.#scroller.top)
    const [from, to] = [this.#partOf(top), this.#partOf(top + Math.floor(this.#scroller.seen))]
    for (const [part, bar] of [...this.#bars.children].entries()) bar.toggleAttribute('data-seen', part >= from && part <= to)
    this.#bars.setAttribute('aria-valuenow', String(from))
    this.#bars.setAttribute('aria-valuetext', timeOf(this.#timeAt(Math.max(0, from))))
  }

  #goTo(part: number): void {
    const start = this.#axis?.starts[part]
    if (start === undefined) return
    this.#scroller.top = start - this.#first
    this.#scroller.activate(start - this.#first)
  }

  #key(event: KeyboardEvent): void {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
    if (by === undefined || !this.#axis) return
    event.preventDefault()
    const { starts } = this.#axis
    const now = this.#partOf(this.#first + this.#scroller.active)
    // Parts in which nothing came begin with the same record as the next one.
    for (let part = now + by; part >= 0 && part < starts.length; part += by) if (starts[part] !== starts[now] && this.#partOf(starts[part]!) === part) return this.#goTo(part)
  }
}

function timeOf(time: number): string {
  return new Date(time).toISOString().replace('T', ' ').replace('Z', '')
}

export function showJournal(): Promise<void> {
  return new JournalView().load()
}
