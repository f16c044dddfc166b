import { native } from './native.js'

const found = native.capabilities()

/** What implements a pool: libpmemlog and libpmemblk, or this package's own code. */
export type EngineName = 'pmdk' | 'rust'

/** What this build of the package can do on this machine, in this runtime. */
export interface Capabilities {
  /** The engines for log and block pools. */
  readonly engines: readonly EngineName[]
  /** The version of the NVM Library (PMDK) linked in, or null in a build without it. */
  readonly pmdk: string | null
  /** Whether an ArrayBuffer may lie over mapped memory. False under Electron's memory cage. */
  readonly externalBuffers: boolean
  /** Whether a WebAssembly memory can be a mapped file's. On Linux and macOS, also under Electron's memory cage. */
  readonly wasmMemory: boolean
  /** What writes a cache line back: `clwb`, `clflushopt`, `clflush`, `dc cvap`, `dc cvac`, or `none` where nothing needs to. */
  readonly flushInstruction: 'clwb' | 'clflushopt' | 'clflush' | 'dc cvap' | 'dc cvac' | 'none'
  /** libpmem's `pmem_has_hw_drain`. */
  readonly hwDrain: boolean
  /** libpmem's `pmem_has_auto_flush`: whether the processor's caches survive a power failure. */
  readonly autoFlush: boolean
  /** The unit of a mapping's offset in its file, in bytes. */
  readonly pageSize: number
}

/**
 * What this build can do on this machine.
 *
 * @example
 * import { capabilities } from 'pmem'
 *
 * console.log(capabilities.pageSize, capabilities.flushInstruction)
 */
export const capabilities: Capabilities = Object.freeze({
  pmdk: null,
  ...(found as Omit<Capabilities, 'pmdk'>),
  wasmMemory: found.wasmMemory && 'WebAssembly' in globalThis,
})
