/** A store: its tree, and search. */

import { ask, listen } from './ask.js'
import { type Branch, type Place, type Shown, type Tree, Trunk, pathOf } from './branch.js'
import { detail, fromBase64 } from './detail.js'
import { button, byId, grouped, make, problem, status } from './dom.js'
import { Scroller } from './scroller.js'

/** What search tells. */
interface Found {
  readonly places?: readonly number[]
  readonly passed?: number
  readonly isAll?: true
}

class StoreView implements Tree {
  commits = -1
  #trunk: Branch | undefined
  /** The find that is shown, and all that there are. */
  #find = -1
  #finds: (readonly number[])[] = []
  #endSearch = () => {}
  /** How far the search is. */
  #searched = ''
  readonly #scroller = new Scroller({ role: 'tree', 'aria-label': 'Store' }, 26, (row) => this.#row(row), (row) => this.#activated(row))
  readonly #search = make('input', { type: 'search', placeholder: 'Search keys and values (/)', 'aria-label': 'Search keys and values' })

  constructor() {
    const { element } = this.#scroller
    byId('view').replaceChildren(element)
    byId('tools').append(this.#search, button('\u2191', 'The find before', () => void this.#step(-1)), button('\u2193', 'The next find', () => void this.#step(1)))
    element.addEventListener('keydown', (event) => this.#key(event))
    element.addEventListener('mousedown', ({ target }) => isTwist(target) && this.#toggle(this.#at(this.#scroller.active)))
    element.addEventListener('dblclick', ({ target }) => !isTwist(target) && this.#toggle(this.#at(this.#scroller.active)))
    this.#search.addEventListener('input', () => this.#begin())
    this.#search.addEventListener('keydown', ({ key, shiftKey }) => key === 'Enter' && void this.#step(shiftKey ? -1 : 1))
    document.addEventListener('keydown', (event) => {
      if (event.key !== '/' || event.target === this.#search) return
      event.preventDefault()
      this.#search.select()
    })
  }

  async load(): Promise<void> {
    const { commits, root } = await ask<{ commits: number; root: Shown }>('root')
    this.commits = commits
    this.#trunk = new Trunk(this, root)
    await this.#trunk.loaded(0)
    this.#trunk.open(0)
    this.changed()
    this.#scroller.element.focus()
  }

  changed(error?: unknown): void {
    if (error !== undefined) problem(error)
    if (this.#trunk) this.#scroller.count = this.#trunk.rows
    status(this.#searched || `${grouped(this.#scroller.count)} rows`)
  }

  /** Somebody has written to it: what was found before leads elsewhere now. */
  outdated(): void {
    this.#finds = []
    void this.load().catch(problem)
  }

  #at(row: number): Place {
    return this.#trunk!.at(row)
  }

  #row(row: number): HTMLElement {
    const { branch, index } = this.#at(row)
    const entry = branch.entry(index)
    const { value } = entry ?? {}
    const isContainer = value?.of !== undefined
    const isOpen = branch.child(index) !== undefined
    const level = branch.level
    const attributes = { role: 'treeitem', class: 'row', 'aria-level': level, 'aria-posinset': index + 1, 'aria-setsize': branch.size, 'aria-expanded': isContainer ? String(isOpen) : undefined }
    const element = make('div', attributes, make('span', { class: `twist${isContainer ? '' : ' leaf'}`, 'aria-hidden': 'true' }))
    element.style.paddingInlineStart = `${(level - 1) * 18 + 8}px`
    if (!value) element.append(make('span', { class: 'loading' }, '\u2026'))
    if (entry?.key !== undefined) element.append(make('span', { class: 'key' }, entry.key), make('span', { class: 'colon' }, ':'))
    if (value) element.append(make('span', { class: `value ${value.type}` }, value.text))
    if (isContainer) element.append(make('span', { class: 'size' }, grouped(value.size!)))
    return element
  }

  #toggle({ branch, index }: Place): void {
    if (branch.child(index)) branch.close(index)
    else branch.open(index)
    this.changed()
  }

  #key(event: KeyboardEvent): void {
    const place = this.#at(this.#scroller.active)
    const { branch, index } = place
    const child = branch.child(index)
    const moves: Record<string, () => void> = {
      Enter: () => this.#toggle(place),
      ' ': () => this.#toggle(place),
      ArrowRight: () => (child ? child.size > 0 && this.#scroller.activate(this.#scroller.active + 1) : this.#toggle(place)),
      ArrowLeft: () => (child ? this.#toggle(place) : branch.parent && this.#scroller.activate(branch.parent.branch.rowOf(branch.parent.index))),
    }
    const move = moves[event.key]
    if (!move || event.altKey || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    move()
  }

  #activated(row: number): void {
    void this.#tell(this.#at(row)).catch(problem)
  }

  /** Shows all of a value, unless another one is chosen meanwhile. */
  async #tell(place: Place): Promise<void> {
    const { branch, index } = place
    const isChosen = () => {
      const chosen = this.#at(this.#scroller.active)
      return chosen.branch === branch && chosen.index === index
    }
    await branch.loaded(index)
    const entry = branch.entry(index)
    if (!entry || !isChosen()) return
    const { text, type, size } = entry.value
    if (size !== undefined) return detail(pathOf(place), { type: text.split(' ')[0], entries: size })
    if (!branch.parent) return detail(pathOf(place), { type }, { text })
    const whole = await ask<{ text: string; base64?: string } | null>('value', { of: branch.of, from: index })
    if (whole && isChosen()) detail(pathOf(place), { type }, whole.base64 === undefined ? { text: whole.text } : { bytes: fromBase64(whole.base64) })
  }

  #begin(): void {
    this.#endSearch()
    const [text, finds] = [this.#search.value, [] as (readonly number[])[]]
    this.#finds = finds
    this.#find = -1
    this.#searched = ''
    this.changed()
    if (text === '') return
    let [passed, isAll] = [0, false]
    const tell = (end: string) => status((this.#searched = `${finds.length} found in ${grouped(passed)} entries${end}`))
    const next = (found: Found) => {
      passed = found.passed ?? passed
      isAll = found.isAll === true
      if (found.places) finds.push(found.places)
      tell('\u2026')
      if (finds.length === 1 && this.#find < 0) void this.#step(1)
    }
    const ended = (error?: Error) => (error ? problem(error) : tell(isAll ? '' : ', the first ones alone'))
    this.#endSearch = listen<Found>('search', { text }, next, ended)
  }

  /** Goes to another find. */
  async #step(by: number): Promise<void> {
    if (this.#finds.length === 0) return
    this.#find = (this.#find + by + this.#finds.length) % this.#finds.length
    const places = this.#finds[this.#find]!
    let branch = this.#trunk?.open(0)
    for (const [depth, index] of places.entries()) {
      await branch?.loaded(index)
      if (depth < places.length - 1) branch = branch?.open(index)
    }
    this.changed()
    if (branch) this.#scroller.activate(branch.rowOf(places.at(-1)!))
  }
}

/** Whether it is what opens and closes a branch. */
function isTwist(target: EventTarget | null): boolean {
  return (target as Element).closest('.twist') !== null
}

export function showStore(): Promise<void> {
  return new StoreView().load()
}
