/** What is loaded of a long list: the pages that were looked at last. */

/** How many pages are kept, and how many are loaded at a time. */
const [KEPT, LOADING] = [200, 4]

export class Pages<T> {
  readonly #load: (from: number, count: number) => Promise<ArrayLike<T>>
  readonly #changed: (error?: unknown) => void
  readonly #size: number
  readonly #pages = new Map<number, ArrayLike<T>>()
  /** What is on its way; with what tells it from what was asked for before it was out of date. */
  readonly #loading = new Map<number, object>()

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
    for (const pages of [this.#pages, this.#loading]) {
      for (const page of pages.keys()) if (page >= first) pages.delete(page)
    }
  }

  async #fetch(page: number): Promise<void> {
    // Whoever looks at it then asks again.
    if (this.#loading.has(page) || this.#loading.size >= LOADING) return
    const own = {}
    this.#loading.set(page, own)
    // Nothing is there where it fails: it is not asked for again and again.
    let [there, failure] = [[] as ArrayLike<T>, undefined as unknown]
    try {
      there = await this.#load(page * this.#size, this.#size)
    } catch (error) {
      failure = error
    }
    if (this.#loading.get(page) === own) {
      this.#loading.delete(page)
      this.#pages.set(page, there)
      if (this.#pages.size > KEPT) this.#pages.delete(this.#pages.keys().next().value!)
    }
    this.#changed(failure)
  }
}
