import { native } from '../shared/native.js'
import type { MappedMemory } from './memory.js'

/** The memory of another thread's region. */
export class AttachedMemory implements MappedMemory {
  readonly wasm = undefined
  readonly buffer: SharedArrayBuffer
  readonly bytes: Buffer

  constructor(buffer: SharedArrayBuffer, byteLength: number) {
    this.buffer = buffer
    this.bytes = Buffer.from(buffer, 0, byteLength)
  }

  /** The memory stays: it is the region's that made it. */
  close(handle: number): void {
    native.regionClose(handle, [], false)
  }
}
