/** What is loaded of a long list: the pages that were looked at last. */

/** How many pages are kept, and how many are loaded at a time. */
const [KEPT, LOADING] = [200, 4]

export class Pages<T> {
  readonly #load: (from: number, count: number) => Promise<ArrayLike<T>>
  readonly #changed: (error?: unknown) => void
  readonly #size: number
  #pages = new Map<number, ArrayLike<T>>()
  readonly #loading = new Set<number>()

  /** @param changed is called once more is there, or could not be had */
  constructor(size: number, load: (from: number, count: number) => Promise<ArrayLike<T>>, changed: (error?: unknown) => void) {
    this.#size = size
    this.#load = load
    this.#changed = changed
  }

  /** One of the list; undefined where it is not there yet. It is loaded then, and `changed` is called. */
  get(index: number): T | undefined {
    const page = Math.floor(index / this.#size)
    const there = this.#pages.get(page)
    if (!there) void this.#fetch(page)
    return there?.[index - page * this.#size]
  }

  /** Resolves once one of the list is there, or could not be had. */
  async loaded(index: number): Promise<void> {
    while (!this.#pages.has(Math.floor(index / this.#size))) {
      this.get(index)
      await new Promise(requestAnimationFrame)
    }
  }

  /** The last page may have grown. */
  forgetFrom(index: number): void {
    const first = Math.floor(index / this.#size)
    for (const page of this.#pages.keys()) if (page >= first) this.#pages.delete(page)
  }

  async #fetch(page: number): Promise<void> {
    // Whoever looks at it then asks again.
    if (this.#loading.has(page) || this.#loading.size >= LOADING) return
    this.#loading.add(page)
    try {
      this.#pages.set(page, await this.#load(page * this.#size, this.#size))
      if (this.#pages.size > KEPT) this.#pages.delete(this.#pages.keys().next().value!)
      this.#changed()
    } catch (error) {
      // Not again and again.
      this.#pages.set(page, [])
      this.#changed(error)
    } finally {
      this.#loading.delete(page)
    }
  }
}
