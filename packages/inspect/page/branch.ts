/** The tree of a store, as far as it is open: branches, whose entries are loaded as they are looked at. */

import { ask } from './ask.js'
import { Pages } from './pages.js'

/** A value, as the server shows it: a container has a reference and a size. */
export interface Shown {
  readonly text: string
  readonly type: string
  readonly of?: string
  readonly size?: number
}

/** An entry of a container. */
export interface Entry {
  readonly key?: string
  readonly step: string
  readonly value: Shown
}

/** What the server answers of entries. */
interface Answer {
  readonly commits: number
  readonly entries: readonly Entry[]
}

/** How many entries are loaded at once. */
const PAGE = 100

/** A place in the tree. */
export interface Place {
  readonly branch: Branch
  readonly index: number
}

/** What is common to a tree. */
export interface Tree {
  /** The commits that the store has: with more, all of it is out of date. */
  commits: number
  changed(error?: unknown): void
  outdated(): void
}

/** A container that is open. */
export class Branch {
  readonly #open = new Map<number, Branch>()
  readonly #pages: Pages<Entry>

  constructor(
    readonly tree: Tree,
    readonly of: string,
    readonly size: number,
    readonly parent?: Place,
  ) {
    this.#pages = new Pages<Entry>(PAGE, (from, count) => this.load(from, count), (error) => tree.changed(error))
  }

  protected async load(from: number, count: number): Promise<readonly Entry[]> {
    const { commits, entries } = await ask<Answer>('entries', { of: this.of, from, count })
    if (commits !== this.tree.commits) this.tree.outdated()
    return entries
  }

  get level(): number {
    return this.parent ? this.parent.branch.level + 1 : 1
  }

  entry(index: number): Entry | undefined {
    return this.#pages.get(index)
  }

  /** How many rows it has: its entries, and those of the branches that are open in it. */
  get rows(): number {
    let rows = this.size
    for (const branch of this.#open.values()) rows += branch.rows
    return rows
  }

  /** What is in a row. */
  at(row: number): Place {
    let index = row
    for (const [place, branch] of this.#inOrder()) {
      if (index <= place) break
      const { rows } = branch
      if (index <= place + rows) return branch.at(index - place - 1)
      index -= rows
    }
    return { branch: this, index }
  }

  /** The row in which an entry is. */
  rowOf(index: number): number {
    let row = this.parent ? this.parent.branch.rowOf(this.parent.index) + 1 : 0
    for (const [place, branch] of this.#open) if (place < index) row += branch.rows
    return row + index
  }

  child(index: number): Branch | undefined {
    return this.#open.get(index)
  }

  /** Opens an entry that is a container and is there; what is open in it was so before. */
  open(index: number): Branch | undefined {
    const { of, size } = this.entry(index)?.value ?? {}
    if (of === undefined || this.#open.has(index)) return this.#open.get(index)
    const branch = new Branch(this.tree, of, size!, { branch: this, index })
    this.#open.set(index, branch)
    return branch
  }

  close(index: number): void {
    this.#open.delete(index)
  }

  loaded(index: number): Promise<void> {
    return this.#pages.loaded(index)
  }

  #inOrder(): [number, Branch][] {
    return [...this.#open].toSorted(([a], [b]) => a - b)
  }
}

/** The branch of the root alone. */
export class Trunk extends Branch {
  readonly #root: Entry

  constructor(tree: Tree, root: Shown) {
    super(tree, '', 1)
    this.#root = { key: 'root', step: 'root', value: root }
  }

  protected override async load(): Promise<readonly Entry[]> {
    return [this.#root]
  }
}

/** How code would name an entry. */
export function pathOf({ branch, index }: Place): string {
  return (branch.parent ? pathOf(branch.parent) : '') + (branch.entry(index)?.step ?? '')
}
