/**
 * A key-value store in memory, with a write-ahead log that brings it back after a crash.
 *
 *     npm run build
 *     node build/examples/write-ahead-log.js [folder] [count]
 *
 * Prints what it finds, then sets `count` values (10 by default). Kill it (-9) and run it again: every value whose line
 * was printed is there. One process at a time has the store; another is refused with EAGAIN.
 *
 * A change is in the log before it is in memory. When the log is full, a checkpoint puts all values in a file of their
 * own, and then rewinds the log. A crash between the two does no harm: the changes in the log are made once more, in order.
 */

import { closeSync, existsSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { crc32 } from 'node:zlib'
import { pmemlog } from 'pmem'

/** A value and its key; null removes the key. */
type Change = [key: string, value: string | null]

export class Store implements Disposable {
  /** To be read only: `set` changes them. */
  readonly values = new Map<string, string>()
  readonly #log: pmemlog.Log
  readonly #snapshot: string

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true })
    this.#snapshot = join(folder, 'values.json')
    const path = join(folder, 'changes.log')
    if (!existsSync(path)) replace(path, (made) => pmemlog.create(made).close())
    this.#log = pmemlog.open(path)
    const changes = existsSync(this.#snapshot) ? (JSON.parse(readFileSync(this.#snapshot, 'utf8')) as Change[]) : []
    for (const change of [...changes, ...recorded(this.#log)]) this.#apply(change)
  }

  /** Sets or removes a value; durable on return. */
  set(...change: Change): void {
    const payload = Buffer.from(JSON.stringify(change))
    const head = Uint32Array.of(payload.length, crc32(payload))
    if (this.#log.tell() + head.byteLength + payload.length > this.#log.nbyte()) this.checkpoint()
    // All or nothing: the log never ends in a part of a record.
    this.#log.appendv([head, payload])
    this.#apply(change)
  }

  /** Empties the log, once its changes are durable elsewhere. */
  checkpoint(): void {
    replace(this.#snapshot, (made) => writeFileSync(made, JSON.stringify([...this.values]), { flush: true }))
    this.#log.rewind()
  }

  [Symbol.dispose](): void {
    this.#log.close()
  }

  #apply([key, value]: Change): void {
    if (value === null) this.values.delete(key)
    else this.values.set(key, value)
  }
}

/** Makes a file under another name and then gives it its own, durably. A crash leaves the whole new file or the old one. */
function replace(path: string, make: (path: string) => void): void {
  rmSync(`${path}.new`, { force: true })
  make(`${path}.new`)
  renameSync(`${path}.new`, path)
  const folder = openSync(dirname(path), 'r')
  fsyncSync(folder)
  closeSync(folder)
}

/** The changes in a log: each its payload's length, its checksum, its payload. One that is wrong means damage, no crash. */
function* recorded(log: pmemlog.Log): Generator<Change> {
  const bytes = log.read(0, log.tell())
  for (let start = 0; start < bytes.length; ) {
    const end = start + 8 + bytes.readUInt32LE(start)
    const payload = bytes.subarray(start + 8, end)
    const sound = end <= bytes.length && crc32(payload) === bytes.readUInt32LE(start + 4)
    if (!sound) throw new Error(`the log is damaged at byte ${start}`)
    yield JSON.parse(payload.toString()) as Change
    start = end
  }
}

function main([folder = join(tmpdir(), 'pmem-store'), count = '10']: readonly string[]): void {
  using store = new Store(folder)
  const last = Number(store.values.get('last') ?? 0)
  console.log(`found ${store.values.size} values; the last was number ${last}`)
  for (let number = last + 1; number <= last + Number(count); number += 1) {
    store.set(`key ${number % 100}`, `number ${number} ${'.'.repeat(16_000)}`)
    store.set('last', String(number))
    console.log(`number ${number} is durable`)
  }
}

if (require.main === module) main(process.argv.slice(2))
