/**
 * A WebAssembly program whose heap is a file. It keeps a hash table and a counter there (`heap.wat`), is stopped at any
 * moment, and finds them again: it never loads or saves them.
 *
 *     npm run build
 *     node build/examples/wasm-heap/main.js [path] [count]
 *
 * Run it again, or kill it and run it again: it goes on from where it stopped. A number that was printed is durable. One
 * process at a time may use a file: nothing locks it. The path's default is a file in the system's temporary folder.
 */

import { readFileSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pmem } from 'pmem'
import wabt = require('wabt')

/** What this program uses of WebAssembly, which the types of Node.js leave out. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object, imports: { host: Host }) => { exports: unknown }
}

/** What the program imports. */
export interface Host {
  memory: object
  /** Makes a range of the memory durable. */
  persist: (byteOffset: number, byteLength: number) => void
}

/** What the program exports. */
export interface Heap {
  /** Makes blank memory a heap; 0 where it holds something else. */
  open(): number
  /** Sets the value of a key; 0 where the heap is full. */
  put(key: number, value: number): number
  /** The value of a key; -1 where it has none. */
  get(key: number): number
  /** How many keys there are. */
  size(): number
  count(): bigint
  /** Counts on. */
  tick(): void
}

/** Two pages of WebAssembly. */
const SIZE = 2 << 16
/** How many keys are in use: fewer than there is room for. */
const KEYS = 100

/** Compiles the program; the result makes any number of instances. */
export async function compile(): Promise<(host: Host) => Heap> {
  const path = join(dirname(require.resolve('pmem/package.json')), 'examples/wasm-heap/heap.wat')
  const parsed = (await wabt()).parseWat(path, readFileSync(path, 'utf8'), { threads: true })
  const module = new WebAssembly.Module(parsed.toBinary({}).buffer)
  parsed.destroy()
  return (host) => new WebAssembly.Instance(module, { host }).exports as Heap
}

/** Writes the next number under its key, and then counts it. */
export function step(heap: Heap): number {
  const number = Number(heap.count()) + 1
  if (heap.put(number % KEYS, number) === 0) throw new Error('the heap is full')
  heap.tick()
  return number
}

/** Checks that every number that was counted is there, unless a later one with its key came. */
export function verify(heap: Heap): void {
  const last = Number(heap.count())
  for (let number = Math.max(1, last - KEYS + 1); number <= last; number += 1) {
    const value = heap.get(number % KEYS)
    // The number after the last may have been written without having been counted.
    if (value !== number && value !== last + 1) throw new Error(`number ${number} is lost: its key has ${value}`)
  }
}

async function main([path = join(tmpdir(), 'pmem-wasm-heap.dat'), count = '10']: readonly string[]): Promise<void> {
  const instantiate = await compile()
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  // mapFile would make a shorter file longer. One that is not ours stays as it is.
  if (size !== 0 && size !== SIZE) throw new Error(`${path} holds something else: give the path of a new file`)

  using region = pmem.mapFile(path, { length: SIZE, create: true, memory: 'wasm' })
  const heap = instantiate({
    memory: region.memory!,
    persist: (byteOffset, byteLength) => region.persist(byteOffset, byteLength),
  })
  if (heap.open() === 0) throw new Error(`${path} holds something else: give the path of a new file`)
  verify(heap)
  console.log(`found ${heap.size()} keys; the last was number ${heap.count()}`)
  const times = Number(count)
  if (!Number.isSafeInteger(times) || times < 0) throw new Error(`${count} is no number of times to count`)
  for (let time = 0; time < times; time += 1) console.log(`number ${step(heap)} is durable`)
}

if (require.main === module) {
  main(process.argv.slice(2)).catch((error: unknown) => {
    console.error(error)
    process.exitCode = 1
  })
}
