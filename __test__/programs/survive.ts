/** What crashes, or loses what is written, where memory and its owners part in the wrong order. Prints what it found. */

import { constants } from 'node:buffer'
import { Worker } from 'node:worker_threads'
import type { pmem as api } from 'pmem'
import { collect, mappings } from '../helpers/memory.js'

type Pmem = typeof api

const [name = '', path = ''] = process.argv.slice(2)

/** The package, for the cases in which the main thread loads it. */
const load = (): Pmem => (require('pmem') as typeof import('pmem')).pmem

/** Takes the memory away from a buffer; undefined where this Node.js has no such method. */
function transfer(buffer: ArrayBuffer): ArrayBuffer | undefined {
  return (buffer as ArrayBuffer & { transfer?: () => ArrayBuffer }).transfer?.()
}

/** Maps the file, moves its buffer and lets go of the region. */
function moved(region: api.Region): { region: WeakRef<api.Region>; buffer?: ArrayBuffer | undefined } {
  return { region: new WeakRef(region), buffer: transfer(region.buffer) }
}

/** What the region says when it is asked for its buffer. */
function ask(region: api.Region): string {
  try {
    return region.buffer.byteLength > 0 ? 'the buffer' : 'an empty buffer'
  } catch (error) {
    return (error as { code: string }).code
  }
}

function store(buffer: ArrayBuffer | undefined, text: string): number {
  return buffer && buffer.byteLength > 0 ? Buffer.from(buffer).write(text) : 0
}

const CASES: Record<string, () => unknown> = {
  /** The buffer is moved away before the close, and lives on with the memory. */
  transferred() {
    const region = load().map(path)
    const kept = region.view(Uint8Array)
    const buffer = transfer(region.buffer)
    const left = { views: kept.length, readable: region.read(3).toString(), buffer: ask(region) }
    region.close()
    return { ...left, moved: buffer?.byteLength ?? null, stored: store(buffer, 'moved') }
  },

  /** The same, for a region that is never closed. */
  async transferredAndCollected() {
    const kept = moved(load().map(path))
    const collected = await collect(() => kept.region.deref() === undefined)
    const stored = store(kept.buffer, 'moved')
    const mapped = mappings(path)
    delete kept.buffer
    return { collected, stored, mapped, left: await collect(() => mappings(path) === 0) }
  },

  /** Moved as messages are. Node.js refuses, or copies. */
  cloned() {
    const region = load().map(path)
    const { buffer } = region
    let clone: ArrayBuffer | undefined
    try {
      clone = structuredClone(buffer, { transfer: [buffer] })
    } catch (error) {
      if (!(error instanceof DOMException)) throw error
    }
    region.close()
    return { stored: store(clone, 'cloned') === (clone ? 6 : 0), left: buffer.byteLength }
  },

  /** Pages without permission to write would end the process. */
  readonly() {
    const region = load().map(path, undefined, { readonly: true })
    const view = region.view(Uint8Array)
    view.fill(0x78)
    const seen = region.read(3).toString()
    region.close()
    view[0] = 0x79
    return { seen, left: view.length }
  },

  /** The region is collected, its buffer is not. */
  async collected() {
    const open = () => {
      const region = load().map(path)
      return { region: new WeakRef(region), buffer: region.buffer as ArrayBuffer | undefined }
    }
    const kept = open()
    const collected = await collect(() => kept.region.deref() === undefined)
    const stored = store(kept.buffer, 'later')
    delete kept.buffer
    return { collected, stored, left: await collect(() => mappings(path) === 0) }
  },

  /** Past 4 GiB, where some releases have no Buffer, and others copy from the wrong place. */
  async large() {
    const start = 4.5 * 2 ** 30
    const region = load().map(path)
    region.seek(start)
    region.write('written')
    region.copyFrom(' copied', start + 7)
    region.persist(start, 14)
    region.seek(start)
    const read = region.read(14).toString()
    let viewed: string
    try {
      viewed = Buffer.from(region.view(Uint8Array, start, 14)).toString()
    } catch (error) {
      viewed = (error as { code: string }).code
    }
    // Finalizers of a failed attempt would run now.
    await collect(() => false)
    region.close()
    return { read, viewed, buffers: constants.MAX_LENGTH > 5 * 2 ** 30 }
  },

  /** An addon that only workers load: Node.js closes its library with each of them. */
  async workers() {
    const ends = ['return', 'exit', 'throw', 'return'] as const
    const codes: unknown[] = []
    for (const end of ends) {
      const worker = new Worker(require.resolve('./worker.js'), { workerData: { path, end } })
      codes.push(await new Promise((resolve) => worker.on('error', () => {}).on('exit', resolve)))
    }
    return { codes, left: mappings(path) }
  },
}

async function main(): Promise<void> {
  console.log(JSON.stringify(await CASES[name]?.()))
}

void main()
