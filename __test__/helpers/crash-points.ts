/** What power cuts leave of a pool, as a preloaded object saw it (`../c/crash-points.c`) in whatever process changed it. */

import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { compiledObject } from './programs.js'

const [PAGE, SECTOR, WORD] = [4096, 512, 8]
const HEAD = 24

/** As in the C file. */
const [SIZE, CHANGED, SYNCED, POINT] = [0, 1, 2, 3]

/** Compiles the object that is preloaded. Undefined where there is no compiler. */
export function compilePreloaded(folder: string): string | undefined {
  try {
    return compiledObject(folder, 'crash-points')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** What is preloaded into a process, and what that is to tell of. */
export function preloading(object: string, pool: string, trace: string, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return { LD_PRELOAD: object, CRASH_POOL: pool, CRASH_TRACE: trace, CRASH_MARK: '0', PMEM_IS_PMEM_FORCE: '0', ...more }
}

function* entriesOf(bytes: Buffer) {
  for (let at = 0; at < bytes.length; ) {
    const kind = bytes.readUInt32LE(at)
    const [offset, length] = [Number(bytes.readBigUInt64LE(at + 8)), Number(bytes.readBigUInt64LE(at + 16))]
    yield { kind, mark: bytes.readUInt32LE(at + 4), offset, length, page: bytes.subarray(at + HEAD, at + HEAD + PAGE) }
    at += HEAD + (kind === CHANGED ? PAGE : 0)
  }
}

/** A file at one point of what was done to it. */
export class CutFile {
  /** How many marks there were. */
  mark = 0
  #size = 0
  #durableSize = 0
  readonly #cached = new Map<number, Buffer>()
  readonly #durable = new Map<number, Buffer>()
  /** The words that are not durable as they are. */
  readonly #pending = new Set<number>()

  get pending(): number {
    return this.#pending.size
  }

  /**
   * The file at each point, one after the other: the same object each time. Of the points that have the same mark, no more than about
   * `most` are chosen: laying an array out takes hundreds.
   */
  static *points(trace: string, most: number, random: (below: number) => number): Generator<CutFile> {
    const file = new CutFile()
    const entries = [...entriesOf(readFileSync(trace))]
    const counts = new Map<number, number>()
    for (const { kind, mark } of entries) if (kind === POINT) counts.set(mark, (counts.get(mark) ?? 0) + 1)
    for (const { kind, mark, offset, length, page } of entries) {
      file.mark = mark
      if (kind === SIZE) file.#size = length
      if (kind === CHANGED) file.#change(offset / PAGE, page)
      if (kind === SYNCED) file.#sync(offset, length)
      if (kind === POINT && random(counts.get(mark)!) < most) yield file
    }
  }

  /**
   * Writes what a cut leaves: nothing of what is pending, all, or what is chosen of it in units of so many bytes.
   *
   * @param survives whether the next unit does
   */
  write(path: string, unit: number, survives: () => boolean): void {
    const pages = new Map(this.#durable)
    let [last, chosen] = [-1, false]
    for (const word of [...this.#pending].sort((a, b) => a - b)) {
      const place = Math.floor((word * WORD) / unit)
      if (place !== last) [last, chosen] = [place, survives()]
      if (!chosen) continue
      const number = Math.floor((word * WORD) / PAGE)
      const page = Buffer.from(pages.get(number) ?? Buffer.alloc(PAGE))
      this.#cached.get(number)!.copy(page, (word * WORD) % PAGE, (word * WORD) % PAGE, ((word * WORD) % PAGE) + WORD)
      pages.set(number, page)
    }
    const descriptor = openSync(path, 'w')
    const size = this.#size === this.#durableSize || survives() ? this.#size : this.#durableSize
    for (const [number, page] of pages) writeSync(descriptor, page, 0, PAGE, number * PAGE)
    ftruncateSync(descriptor, size)
    closeSync(descriptor)
  }

  #change(number: number, page: Buffer): void {
    this.#cached.set(number, page)
    const durable = this.#durable.get(number) ?? Buffer.alloc(PAGE)
    for (let at = 0; at < PAGE; at += WORD) {
      const word = (number * PAGE + at) / WORD
      if (page.compare(durable, at, at + WORD, at, at + WORD) === 0) this.#pending.delete(word)
      else this.#pending.add(word)
    }
  }

  #sync(offset: number, length: number): void {
    this.#durableSize = this.#size
    for (const word of this.#pending) {
      if (word * WORD < offset || word * WORD >= offset + length) continue
      const [number, at] = [Math.floor((word * WORD) / PAGE), (word * WORD) % PAGE]
      const durable = this.#durable.get(number) ?? Buffer.alloc(PAGE)
      this.#cached.get(number)!.copy(durable, at, at, at + WORD)
      this.#durable.set(number, durable)
      this.#pending.delete(word)
    }
  }
}

/** The ways in which what is pending survives: none, all, and parts by words, sectors and pages. */
export function waysOf(file: CutFile, random: (below: number) => number): { unit: number; survives: () => boolean }[] {
  const none = { unit: PAGE, survives: () => false }
  if (file.pending === 0) return [none]
  const parts = [WORD, SECTOR, PAGE].map((unit) => ({ unit, survives: () => random(2) === 0 }))
  return [none, { unit: PAGE, survives: () => true }, ...parts]
}
