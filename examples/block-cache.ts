/**
 * A cache of pages in a block array, warm again after a restart.
 *
 *     npm run build
 *     node build/examples/block-cache.js [path] [page ...]
 *
 * Asks for pages (a, b and c by default) that are slow to make. Run it again: they come out of the cache. Kill it
 * whenever you like. A page lies in one block, behind its key. A block is written whole or not at all, so key and page
 * always belong together. The index is in memory only: it is rebuilt from the blocks at the start.
 */

import { existsSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { pmemblk } from 'pmem'

/** Before the key: the turn in 6 bytes, the key's length in 2, the page's in 4. Turn 0 is a block without a page. */
const HEAD = 12

export class PageCache implements Disposable {
  readonly #blocks: pmemblk.BlockArray
  /** The turn of each key. Pages are written in turns, and turn n writes block n % nblock: the oldest page goes first. */
  readonly #turns = new Map<string, number>()
  #last = 0

  constructor(path: string, blockSize = 4096, poolSize = pmemblk.MIN_POOL) {
    if (!existsSync(path)) {
      // The array gets its name once it is whole: a crash leaves no half-made one under it.
      rmSync(`${path}.new`, { force: true })
      pmemblk.create(`${path}.new`, blockSize, poolSize).close()
      renameSync(`${path}.new`, path)
    }
    this.#blocks = pmemblk.open(path)
    for (let index = 0; index < this.#blocks.nblock(); index += 1) {
      const { turn, key } = this.#read(index)
      if (turn > (this.#turns.get(key) ?? 0)) this.#turns.set(key, turn)
      this.#last = Math.max(this.#last, turn)
    }
  }

  get(key: string): Buffer | undefined {
    const turn = this.#turns.get(key)
    if (turn === undefined) return undefined
    const found = this.#read(turn % this.#blocks.nblock())
    return found.turn === turn ? found.page : undefined
  }

  /** Keeps a page, durably. Throws ERR_OUT_OF_RANGE where key and page are too long for a block. */
  set(key: string, page: Uint8Array): void {
    const turn = this.#last + 1
    const index = turn % this.#blocks.nblock()
    const oldest = this.#read(index)
    const name = Buffer.from(key)
    const head = Buffer.alloc(HEAD)
    head.writeUIntLE(turn, 0, 6)
    head.writeUInt16LE(name.length, 6)
    head.writeUInt32LE(page.length, 8)
    this.#blocks.write(Buffer.concat([head, name, page]), index)
    if (this.#turns.get(oldest.key) === oldest.turn) this.#turns.delete(oldest.key)
    this.#turns.set(key, turn)
    this.#last = turn
  }

  [Symbol.dispose](): void {
    this.#blocks.close()
  }

  #read(index: number): { turn: number; key: string; page: Buffer } {
    try {
      const block = this.#blocks.read(index)
      const start = HEAD + block.readUInt16LE(6)
      const page = block.subarray(start, start + block.readUInt32LE(8))
      return { turn: block.readUIntLE(0, 6), key: block.toString('utf8', HEAD, start), page }
    } catch (error) {
      // A block that cannot be read has no page. The next write to it ends that state.
      if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error
      return { turn: 0, key: '', page: Buffer.alloc(0) }
    }
  }
}

/** Something slow: a query, a rendering, a request. */
async function make(key: string): Promise<Buffer> {
  await setTimeout(100)
  return Buffer.from(`page ${key}, made by process ${process.pid}`)
}

async function main([path = join(tmpdir(), 'pmem-pages.blk'), ...keys]: readonly string[]): Promise<void> {
  using cache = new PageCache(path)
  for (const key of keys.length ? keys : ['a', 'b', 'c']) {
    const cached = cache.get(key)
    const page = cached ?? (await make(key))
    if (!cached) cache.set(key, page)
    console.log(`${cached ? 'cached' : 'made'}: ${page}`)
  }
}

if (require.main === module) void main(process.argv.slice(2))
