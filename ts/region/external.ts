import { constants } from 'node:buffer'
import { unsupported } from '../shared/errors.js'
import { native } from '../shared/native.js'
import type { MappedMemory } from './memory.js'

/** An ArrayBuffer over the mapping itself. */
export class ExternalMemory implements MappedMemory {
  readonly wasm = undefined
  readonly #buffer: ArrayBuffer
  readonly #bytes: Buffer
  readonly #byteLength: number
  /** Whether anyone outside has the buffer. Where nobody does it need not be emptied, which slows views down in all of V8. */
  #isShown = false

  /** Whether there can be one of that length: Node.js 20 makes no external ArrayBuffer that is longer than a Buffer can be. */
  static canHold(byteLength: number): boolean {
    return byteLength <= constants.MAX_LENGTH
  }

  constructor(handle: number, byteLength: number) {
    const most = constants.MAX_LENGTH
    if (!ExternalMemory.canHold(byteLength)) {
      throw unsupported(
        `this runtime lets no ArrayBuffer of more than ${most} bytes lie over mapped memory, and the region has ${byteLength}: ` +
          'map parts of the file by offset and length; read, write and copyFrom reach all of it, and copy',
      )
    }
    const buffer = native.regionBuffer(handle)
    if (buffer === null) throw unsupported("this runtime lets no ArrayBuffer lie over this mapping; map it with memory: 'wasm'")
    this.#buffer = buffer
    this.#bytes = Buffer.from(buffer)
    this.#byteLength = byteLength
  }

  get bytes(): Buffer | null {
    return this.#bytes.length === this.#byteLength ? this.#bytes : null
  }

  get buffer(): ArrayBuffer {
    this.#isShown = true
    if (this.bytes !== null) return this.#buffer
    throw unsupported('the buffer was transferred away; read, write and copyFrom copy instead')
  }

  close(handle: number): void {
    native.regionClose(handle, this.#isShown ? this.#buffer : null, false)
  }
}
