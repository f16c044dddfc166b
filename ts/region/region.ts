import { type Data, type Size, toBoolean, toBytes, toInteger } from '../shared/arguments.js'
import { Committer } from '../shared/committer.js'
import { PmemError, closed, outOfRange, unsupported, wrongType } from '../shared/errors.js'
import { alarmed, checkSource } from '../shared/frame.js'
import { INSIDE, requireInside } from '../shared/inside.js'
import { inspectAs } from '../shared/inspect.js'
import { native } from '../shared/native.js'
import { type Names, toOptions } from '../shared/options.js'
import { ADVICE, type Advice, toOneOf } from './advice.js'
import * as calls from './calls.js'
import { ExternalMemory } from './external.js'
import type { AnyBuffer, MappedMemory, WebAssemblyMemory } from './memory.js'
import { type View, type ViewConstructor, type ViewOver, isViewConstructor } from './views.js'
import { WasmMemory } from './wasm.js'

/** What the native side tells of a new region. */
export interface RegionInfo {
  handle: number
  byteLength: number
  isPmem: boolean
  readonly: boolean
  copyOnWrite: boolean
  /** The file's, where it is known. */
  path?: string | undefined
}

/** A region in whatever memory. */
export type AnyRegion = Region<AnyBuffer>

/** How JavaScript reaches a region's memory without copying. */
export type MemoryKind = 'none' | 'external' | 'wasm' | 'shared'

/** How a copy or fill ends. */
export interface StoreOptions {
  /** Whether the bytes are durable on return. Default: true, except in a region that is copy-on-write. Without it, `persist` their range later. */
  durable?: boolean
}

const STORE_OPTIONS: Names<StoreOptions> = { durable: true }

/** The region that someone gave. */
export function toRegion(region: AnyRegion): AnyRegion {
  if (region instanceof Region) return region
  const { constructor } = Object(region) as { constructor?: { name?: unknown } }
  if (constructor?.name !== 'Region') throw wrongType('region', 'a Region', region)
  throw wrongType('region', 'a Region that this copy of the package made, and not another copy or version of it', region)
}

/** Makes a region of what the native side gave. */
export let newRegion: <Memory extends AnyBuffer>(info: RegionInfo, kind: MemoryKind, memory?: MappedMemory) => Region<Memory>

/** Drops regions that are collected without having been closed. */
const collected = new FinalizationRegistry<number>((handle) => native.regionDrop(handle))

/**
 * A file mapped as memory. {@link map} and {@link mapFile} make it.
 *
 * After `close` every use throws `ERR_PMEM_CLOSED`, except `closed`, `path`, `readonly` and closing again, and every view over the region is
 * empty. Offsets and lengths are in bytes.
 *
 * @example
 * import { pmem } from 'pmem'
 *
 * const region = pmem.mapFile('counter.dat', { length: 4096, create: true })
 * const counter = region.view(Float64Array, 0, 1)
 * counter[0]! += 1
 * region.persist(0, 8)
 * region.close()
 */
export class Region<Memory extends AnyBuffer = ArrayBuffer> implements Disposable {
  /** 0 once closed. */
  #handle: number
  #position = 0
  /** Made when it is first asked for. */
  #memory: MappedMemory | undefined
  readonly #kind: MemoryKind
  /** By whose end the handle is dropped: the region, or the memory of WebAssembly that it made, which may live longer. */
  #owner: WeakKey
  #byteLength: number
  readonly #isPmem: boolean
  readonly #readonly: boolean
  readonly #copyOnWrite: boolean
  readonly #path: string | undefined
  readonly #committer = new Committer()

  static {
    newRegion = (info, kind, memory) => new Region(INSIDE, info, kind, memory)
    inspectAs<AnyRegion>(Region.prototype, (region) => ({
      known: { path: region.path },
      details() {
        if (region.closed) return { closed: true }
        const { byteLength, readonly, isPmem, position } = region
        return { byteLength, readonly, isPmem, position }
      },
    }))
  }

  private constructor(key: typeof INSIDE, info: RegionInfo, kind: MemoryKind, memory?: MappedMemory) {
    requireInside(key, 'Region', 'pmem.map, pmem.mapFile or pmem.attach')
    this.#handle = info.handle
    this.#byteLength = info.byteLength
    this.#isPmem = info.isPmem
    this.#readonly = info.readonly
    this.#copyOnWrite = info.copyOnWrite
    this.#path = info.path
    this.#kind = kind
    this.#memory = memory
    this.#owner = this
    collected.register(this, info.handle, this)
    // What is written before there is a memory would not be in it, which is another private mapping.
    if (info.copyOnWrite && memory === undefined && (kind === 'wasm' || kind === 'shared')) this.#reach()
  }

  /** Whether the region was closed; an attached one also where the region that made its memory was. */
  get closed(): boolean {
    return this.#handle === 0 || (alarmed() && native.regionIsUncovered(this.#handle))
  }

  /** The region's size. It becomes larger by `grow` alone. */
  get byteLength(): number {
    this.#open()
    return this.#byteLength
  }

  /** Whether the file lies on persistent memory, where flushing caches makes stores durable (libpmem's `pmem_is_pmem`). */
  get isPmem(): boolean {
    this.#open()
    return this.#isPmem
  }

  /** The region's file, as it was named; undefined for one that was mapped by a descriptor, has no name, or is attached. */
  get path(): string | undefined {
    return this.#path
  }

  /** Whether stores stay in this mapping, and `write` is refused. */
  get readonly(): boolean {
    return this.#readonly
  }

  /** The cursor of `read` and `write`, from 0 to `byteLength`. */
  get position(): number {
    this.#open()
    return this.#position
  }

  /**
   * Makes the region longer, and its file where that is shorter, durably. The memory stays where it is: buffers and views that
   * were made before keep their length, and what is asked for anew has all of it. The file's new blocks are allocated, unless
   * it was made `sparse`. It writes what was stored before, too, as long as that takes.
   *
   * Map with `maxLength`: without it a region grows where the addresses behind it happen to be free, which is seldom. A
   * readonly or copy-on-write region follows a file that has grown, and does not make it longer. Where the memory is one of
   * WebAssembly (`memory: 'wasm'`, `shared`, or a runtime without external buffers), a region grows until `buffer`, `view` or
   * `memory` is first asked for.
   *
   * @param length - The region's new size in bytes.
   * @throws `ERR_OUT_OF_RANGE` for less than `byteLength`, and more than `maxLength`; `ERR_PMEM_UNSUPPORTED` where it cannot
   * grow in place, and on Windows; `ENOSPC`, and what else the operating system says of making the file longer; `EACCES` for the
   * file of a readonly or copy-on-write region. Nothing has changed then.
   *
   * @example
   * import { pmem } from 'pmem'
   *
   * const region = pmem.mapFile('growing.dat', { length: 4096, create: true, maxLength: 2 ** 30 })
   * region.grow(2 * region.byteLength)
   * region.close()
   */
  grow(length: Size): void {
    const handle = this.#open()
    const byteLength = toInteger('length', length, 1)
    native.regionGrow(handle, byteLength)
    if (byteLength === this.#byteLength) return
    this.#byteLength = byteLength
    if (this.#memory instanceof ExternalMemory) this.#memory.grow(byteLength)
  }

  /**
   * Writes at the cursor and moves it on. `persist` makes what was written durable.
   *
   * @returns The number of bytes written: all.
   * @throws `ERR_OUT_OF_RANGE` where the data goes past the end, `EACCES` in a readonly region; nothing is written then.
   */
  write(data: Data): number {
    this.#open()
    const bytes = toBytes('data', data)
    const end = this.#position + bytes.length
    if (end > this.#byteLength) {
      throw outOfRange('data.byteLength', `<= ${this.#byteLength - this.#position}, what is left from the cursor on`, bytes.length)
    }
    const memory = this.#bytes()
    if (memory === null || this.#readonly) calls.copyFrom(this.#handle, this.#position, bytes, false)
    else memory.set(bytes, this.#position)
    this.#open()
    checkSource(bytes)
    this.#position = end
    return bytes.length
  }

  /**
   * Reads a copy from the cursor on and moves it.
   *
   * @param byteLength - How many bytes at most; the rest by default.
   * @throws `ERR_PMEM_EOF` where the cursor is at the end.
   */
  read(byteLength?: Size): Buffer {
    this.#open()
    const rest = this.#byteLength - this.#position
    const length = byteLength === undefined ? rest : Math.min(toInteger('byteLength', byteLength), rest)
    if (rest === 0) throw new PmemError('ERR_PMEM_EOF', `the cursor is at the region's end, ${this.#byteLength}`)
    const target = Buffer.allocUnsafe(length)
    const memory = this.#bytes()
    if (memory === null) native.regionCopyTo(this.#handle, this.#position, target)
    // Not Buffer.copy, which takes numbers of 32 bits on Node.js 22 and 24.
    else target.set(new Uint8Array(memory.buffer, this.#position, length))
    this.#open()
    this.#position += length
    return target
  }

  /** Moves the cursor. */
  seek(position: Size): void {
    this.#open()
    this.#position = toInteger('position', position, 0, this.#byteLength)
  }

  /**
   * The region's memory itself, not a copy: stores to it are stores to the file. `close` empties it; a SharedArrayBuffer,
   * which `shared: true` gives, turns into zeros.
   *
   * @throws `ERR_PMEM_UNSUPPORTED` where the runtime has no such memory; in a memory of WebAssembly, for a region that is no
   * multiple of 64 KiB, of which `view` is exact; and once the buffer was transferred away.
   */
  get buffer(): Memory {
    this.#open()
    return this.#whole(this.#reach()).buffer as Memory
  }

  /**
   * The WebAssembly memory that is the region: a program that imports it has the file as its heap. Undefined unless the
   * region was mapped with `memory: 'wasm'`, or the runtime has no other.
   *
   * @throws `ERR_PMEM_UNSUPPORTED` for a region that is no multiple of 64 KiB.
   */
  get memory(): WebAssemblyMemory | undefined {
    this.#open()
    if (this.#kind !== 'wasm' && this.#kind !== 'shared') return undefined
    return this.#whole(this.#reach()).wasm
  }

  /**
   * A view of the region's memory itself.
   *
   * @param type - Any TypedArray class, or DataView.
   * @param length - In elements (bytes for DataView); as many as fit by default.
   * @throws `ERR_OUT_OF_RANGE` for what lies outside or is not aligned; as `buffer`.
   */
  view<V extends View>(type: ViewConstructor<V>, byteOffset: Size = 0, length?: Size): ViewOver<V, Memory> {
    this.#open()
    if (!isViewConstructor(type)) throw wrongType('type', 'a TypedArray class or DataView', type)
    const unit = type.BYTES_PER_ELEMENT ?? 1
    const offset = toInteger('byteOffset', byteOffset, 0, this.#byteLength)
    if (offset % unit !== 0) throw outOfRange('byteOffset', `a multiple of ${unit}`, byteOffset)
    const fitting = Math.floor((this.#byteLength - offset) / unit)
    const count = length === undefined ? fitting : toInteger('length', length, 0, fitting)
    return new type(this.#reach().buffer as ArrayBuffer, offset, count) as unknown as ViewOver<V, Memory>
  }

  /**
   * Makes a range durable (libpmem's `pmem_persist`): flushed and drained on persistent memory, an msync elsewhere.
   *
   * @param byteLength - The rest by default.
   * @throws `ERR_OUT_OF_RANGE`; `EACCES` in a readonly or copy-on-write region; the error of a failed msync, and `EIO` in every call after it.
   */
  persist(byteOffset: Size = 0, byteLength?: Size): void {
    this.#open()
    const offset = toInteger('byteOffset', byteOffset, 0, this.#byteLength)
    calls.persist(this.#handle, offset, this.#length(offset, byteLength))
  }

  /** Starts making a range durable (`pmem_flush`); `drain` waits for it. On page-cache files it is an msync. Throws as `persist`. */
  flush(byteOffset: Size = 0, byteLength?: Size): void {
    this.#open()
    const offset = toInteger('byteOffset', byteOffset, 0, this.#byteLength)
    calls.flush(this.#handle, offset, this.#length(offset, byteLength))
  }

  /** Synchronises the pages of a range with the file on any medium (`pmem_msync`). Throws as `persist`. */
  msync(byteOffset: Size = 0, byteLength?: Size): void {
    this.#open()
    const offset = toInteger('byteOffset', byteOffset, 0, this.#byteLength)
    native.regionMsync(this.#handle, offset, this.#length(offset, byteLength))
  }

  /** Waits for flushes (`pmem_drain`). By itself it makes nothing durable on page-cache files. */
  drain(): void {
    calls.drain(this.#open())
  }

  /**
   * Makes several ranges durable together: one drain for all, or one msync for those that lie near each other.
   *
   * @param ranges - Pairs of offset and length.
   * @throws As `persist`; nothing is flushed where one range is refused.
   */
  persistMany(ranges: Iterable<readonly [byteOffset: Size, byteLength: Size]>): void {
    this.#open()
    if (typeof ranges?.[Symbol.iterator] !== 'function') throw wrongType('ranges', 'iterable', ranges)
    const numbers: number[] = []
    for (const range of ranges) {
      if (!Array.isArray(range)) throw wrongType('ranges', 'pairs of offset and length', range)
      const offset = toInteger('byteOffset', range[0] as Size, 0, this.#byteLength)
      numbers.push(offset, this.#length(offset, range[1] as Size))
    }
    calls.persistMany(this.#handle, numbers)
  }

  /** `persist` off the main thread. Bytes stored before the call are durable when the promise settles. Rejects as `persist` throws. */
  persistAsync(byteOffset: Size = 0, byteLength?: Size): Promise<void> {
    return this.#committer.add((queue) => {
      this.#open()
      const offset = toInteger('byteOffset', byteOffset, 0, this.#byteLength)
      calls.enqueuePersist(this.#handle, offset, this.#length(offset, byteLength), queue)
    })
  }

  /**
   * Copies bytes in (libpmem's `pmem_memmove`), past the caches where that is faster. The source may lie in the region.
   *
   * @throws As `persist`; nothing is written where the range is refused.
   */
  copyFrom(source: Data, byteOffset: Size = 0, options?: StoreOptions): void {
    this.#open()
    const durable = toBoolean('durable', toOptions(options, STORE_OPTIONS).durable ?? !this.#copyOnWrite)
    const offset = toInteger('byteOffset', byteOffset, 0, this.#byteLength)
    const bytes = toBytes('source', source)
    calls.copyFrom(this.#handle, offset, bytes, durable)
  }

  /**
   * Fills from `start` to `end` with one byte's value (libpmem's `pmem_memset`).
   *
   * @param value - From 0 to 255.
   * @throws As `persist`; nothing is written where the range is refused.
   */
  fill(value: number, start: Size = 0, end: Size = this.#byteLength, options?: StoreOptions): void {
    this.#open()
    const durable = toBoolean('durable', toOptions(options, STORE_OPTIONS).durable ?? !this.#copyOnWrite)
    const byte = toInteger('value', value, 0, 255)
    const first = toInteger('start', start, 0, this.#byteLength)
    const last = toInteger('end', end, first, this.#byteLength)
    native.regionFill(this.#handle, first, last - first, byte, durable)
  }

  /**
   * Tells the system how a range is going to be used, by whole pages (`madvise`): as `access` says it of a region; that it is
   * used soon (`willneed`), and read now; or that it is not (`dontneed`). In a readonly or copy-on-write region `dontneed` drops
   * what was stored there: its pages show the file again. Windows takes no advice.
   *
   * @param byteLength - The rest by default.
   * @throws `ERR_OUT_OF_RANGE`; `EINVAL` for `dontneed` in a region that was mapped with `lock`.
   */
  advise(advice: Advice, byteOffset: Size = 0, byteLength?: Size): void {
    this.#open()
    const name = toOneOf('advice', advice, ADVICE)
    const offset = toInteger('byteOffset', byteOffset, 0, this.#byteLength)
    native.regionAdvise(this.#handle, name, offset, this.#length(offset, byteLength))
  }

  /** Unmaps the region and empties its views. It persists nothing by itself. Closing again does nothing. */
  close(): void {
    if (this.#handle === 0) return
    const handle = this.#handle
    this.#handle = 0
    collected.unregister(this.#owner)
    if (this.#memory) this.#memory.close(handle)
    else native.regionClose(handle, [], false)
    this.#memory = undefined
  }

  /** Persists the whole region, unless it is readonly or copy-on-write, and closes it. */
  [Symbol.dispose](): void {
    try {
      if (!this.closed && !this.#readonly && !this.#copyOnWrite) this.persist()
    } finally {
      this.close()
    }
  }

  /** The handle, which only an open region has, and none of whose pages was lost. */
  #open(): number {
    if (this.#handle === 0) throw closed('region', this.#path)
    if (alarmed()) native.regionIntact(this.#handle)
    return this.#handle
  }

  #length(byteOffset: number, byteLength: Size | undefined): number {
    const rest = this.#byteLength - byteOffset
    return byteLength === undefined ? rest : toInteger('byteLength', byteLength, 0, rest)
  }

  /** The memory, made at the first use. */
  #reach(): MappedMemory {
    if (this.#memory) return this.#memory
    if (this.#kind === 'none') throw unsupported('this runtime has no zero-copy memory; read, write and copyFrom copy instead')
    if (this.#kind === 'external') return (this.#memory = new ExternalMemory(this.#open(), this.#byteLength))
    const memory = new WasmMemory(this.#open(), this.#byteLength, this.#kind === 'shared')
    collected.unregister(this)
    collected.register(memory.wasm, this.#handle, memory.wasm)
    this.#owner = memory.wasm
    return (this.#memory = memory)
  }

  /** The memory, which must be the region and nothing else. */
  #whole(memory: MappedMemory): MappedMemory {
    if (memory.buffer.byteLength === this.#byteLength) return memory
    throw unsupported(`a WebAssembly memory is a multiple of 64 KiB, and the region has ${this.#byteLength} bytes: use view`)
  }

  /** The memory as a Buffer for the cursor, which copies without one; null then. */
  #bytes(): Buffer | null {
    if (this.#memory !== undefined) return this.#memory.bytes
    // It costs little to make, which other kinds do not.
    return this.#kind === 'external' && ExternalMemory.canHold(this.#byteLength) ? this.#reach().bytes : null
  }
}
