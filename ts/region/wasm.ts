import { types } from 'node:util'
import { unsupported } from '../shared/errors.js'
import { native } from '../shared/native.js'
import type { AnyBuffer, BareMemory, MappedMemory, WebAssemblyMemory } from './memory.js'

/** The unit of a WebAssembly memory's size, in bytes, and how many there can be. */
const [PAGE, MOST] = [64 << 10, 64 << 10]

interface MemoryConstructor {
  new (limits: { initial: number; maximum: number; shared: boolean }): BareMemory
}

/** Keeps a memory as long as a buffer of its own: the region's handle goes with the memory. */
const memories = new WeakMap<object, BareMemory>()

/** A WebAssembly memory whose pages are the file's. */
export class WasmMemory implements MappedMemory {
  readonly #memory: BareMemory
  readonly #byteLength: number
  #buffer: AnyBuffer
  #bytes: Buffer

  constructor(handle: number, byteLength: number, shared: boolean) {
    this.#memory = allocate(byteLength, shared)
    this.#byteLength = byteLength
    this.#buffer = this.#memory.buffer
    memories.set(this.#buffer, this.#memory)
    this.#bytes = Buffer.from(this.#buffer, 0, byteLength)
    native.regionCover(handle, new Uint8Array(this.#buffer), shared)
  }

  get wasm(): WebAssemblyMemory {
    return this.#memory
  }

  get bytes(): Buffer {
    void this.buffer
    return this.#bytes
  }

  /** Derived anew where a program grew the memory by 0, which empties the buffer before. */
  get buffer(): AnyBuffer {
    const { buffer } = this.#memory
    if (buffer !== this.#buffer) {
      this.#buffer = buffer
      memories.set(buffer, this.#memory)
      this.#bytes = Buffer.from(buffer, 0, this.#byteLength)
    }
    return buffer
  }

  /** A SharedArrayBuffer cannot be emptied: it turns into zeros. */
  close(handle: number): void {
    native.regionClose(handle, [], true)
    if (!types.isSharedArrayBuffer(this.#buffer)) this.#memory.grow(0)
  }
}

function allocate(byteLength: number, shared: boolean): BareMemory {
  const pages = Math.ceil(byteLength / PAGE)
  if (pages > MOST) throw unsupported(`a WebAssembly memory has at most ${MOST * PAGE} bytes, and the region ${byteLength}: map parts of the file by offset and length`)
  const { Memory } = (globalThis as unknown as { WebAssembly: { Memory: MemoryConstructor } }).WebAssembly
  try {
    return new Memory({ initial: pages, maximum: pages, shared })
  } catch (cause) {
    throw unsupported('the runtime has no room for another WebAssembly memory: close regions that use one', { cause })
  }
}
