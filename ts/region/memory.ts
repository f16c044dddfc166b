/** What the ways from JavaScript to mapped memory have in common. */

/** What memory is to JavaScript. */
export type AnyBuffer = ArrayBuffer | SharedArrayBuffer

/** Mapped memory as JavaScript sees it, without copying. */
export interface MappedMemory {
  /** The region's bytes; null where they were moved away. */
  readonly bytes: Buffer | null
  /** The buffer in which the region lies, at its start. */
  readonly buffer: AnyBuffer
  /** The memory of WebAssembly that this is, if it is one. */
  readonly wasm: WebAssemblyMemory | undefined
  /** Closes the region's handle and takes the memory away from every view. */
  close(handle: number): void
}

/** `WebAssembly.Memory`, in programs that have the types of WebAssembly. */
export type WebAssemblyMemory = typeof globalThis extends { WebAssembly: { Memory: { prototype: infer Memory } } } ? Memory : BareMemory

/** What is used of a `WebAssembly.Memory` here. */
export interface BareMemory {
  readonly buffer: AnyBuffer
  grow(delta: number): number
}
