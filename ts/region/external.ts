import { constants } from 'node:buffer'
import { unsupported } from '../shared/errors.js'
import { native } from '../shared/native.js'
import type { MappedMemory } from './memory.js'

/** ArrayBuffers over the mapping itself, one for each length that it has had. */
export class ExternalMemory implements MappedMemory {
  readonly wasm = undefined
  readonly #handle: number
  #byteLength: number
  #buffer!: ArrayBuffer
  #bytes!: Buffer
  /** Whether anyone outside has the buffer. Where nobody does it need not be emptied, which slows views down in all of V8. */
  #isShown = false
  /** Buffers of earlier lengths that anyone outside may have. */
  #earlier: WeakRef<ArrayBuffer>[] = []
  /** From how many on those that are gone are looked for. */
  #enough = 64
  /** Whether any was gone. Its memory need not be: it may have been moved away before. */
  #isAnyGone = false

  /** Whether there can be one of that length: Node.js 20 makes no external ArrayBuffer that is longer than a Buffer can be. */
  static canHold(byteLength: number): boolean {
    return byteLength <= constants.MAX_LENGTH
  }

  constructor(handle: number, byteLength: number) {
    this.#handle = handle
    this.#byteLength = byteLength
    this.#make()
  }

  /** The mapping has this length now. Buffers that were made before keep theirs. */
  grow(byteLength: number): void {
    if (this.#isShown) this.#earlier.push(new WeakRef(this.#buffer))
    if (this.#earlier.length >= this.#enough) this.#forgetGone()
    this.#isShown = false
    this.#byteLength = byteLength
    if (ExternalMemory.canHold(byteLength)) this.#make()
  }

  #forgetGone(): void {
    const left = this.#earlier.filter((buffer) => buffer.deref() !== undefined)
    this.#isAnyGone ||= left.length < this.#earlier.length
    this.#earlier = left
    this.#enough = Math.max(64, 2 * left.length)
  }

  #make(): void {
    this.#checkLength()
    const buffer = native.regionBuffer(this.#handle)
    if (buffer === null) throw unsupported("this runtime lets no ArrayBuffer lie over this mapping; map it with memory: 'wasm'")
    this.#buffer = buffer
    this.#bytes = Buffer.from(buffer)
  }

  #checkLength(): void {
    if (ExternalMemory.canHold(this.#byteLength)) return
    throw unsupported(
      `this runtime lets no ArrayBuffer of more than ${constants.MAX_LENGTH} bytes lie over mapped memory, and the region has ` +
        `${this.#byteLength}: map parts of the file by offset and length; read, write and copyFrom reach all of it, and copy`,
    )
  }

  get bytes(): Buffer | null {
    return this.#bytes.length === this.#byteLength ? this.#bytes : null
  }

  get buffer(): ArrayBuffer {
    if (this.bytes !== null) {
      this.#isShown = true
      return this.#buffer
    }
    this.#checkLength()
    throw unsupported('the buffer was transferred away; read, write and copyFrom copy instead')
  }

  close(handle: number): void {
    this.#forgetGone()
    const buffers = this.#earlier.map((buffer) => buffer.deref() ?? null)
    if (this.#isShown || this.#isAnyGone) buffers.push(this.#buffer)
    if (this.#isAnyGone) buffers.push(null)
    native.regionClose(handle, buffers, false)
  }
}
