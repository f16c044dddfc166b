/**
 * Mapped persistent regions: libpmem of the NVM Library.
 *
 * @module pmem
 */

import { statSync } from 'node:fs'
import { types } from 'node:util'
import { type Path, type Size, textOf, toBoolean, toInteger, toPath, toVersion } from '../shared/arguments.js'
import { capabilities } from '../shared/capabilities.js'
import { unsupported, wrongType, wrongValue } from '../shared/errors.js'
import { native } from '../shared/native.js'
import { type Names, toOptions } from '../shared/options.js'
import { ACCESSES, toOneOf } from './advice.js'
import { AttachedMemory } from './attached.js'
import { type AnyRegion, type MemoryKind, type Region, newRegion, toRegion } from './region.js'

export { DrainContext, FlushContext } from './contexts.js'
export type { ContextOptions } from './contexts.js'
export { Region } from './region.js'
export type { AnyBuffer, BareMemory, WebAssemblyMemory } from './memory.js'
export type { Advice } from './advice.js'
export type { AnyRegion, StoreOptions } from './region.js'
export type { View, ViewConstructor, ViewOver } from './views.js'
export type { Bytes, Data, FileURL, Path, Size } from '../shared/arguments.js'

/** An open file: a descriptor, or what has one, such as a FileHandle. */
export type OpenFile = number | { readonly fd: number }

/** How a file is mapped. */
export interface MapOptions {
  /** The first byte to map: a multiple of `capabilities.pageSize`. Default: 0. */
  offset?: Size
  /**
   * How long `region.grow` can make the region: addresses for so many bytes are kept free behind it, which take no memory, and
   * the file is kept open. Default: none are, and the region can seldom grow.
   *
   * @throws `ERR_OUT_OF_RANGE` for less than the region's length; `ERR_PMEM_UNSUPPORTED` on Windows and for files of huge pages.
   */
  maxLength?: Size
  /**
   * How JavaScript reaches the memory without copying. `external`: an ArrayBuffer over it. `wasm`: a WebAssembly memory, which
   * is also `region.memory`. Default: `auto`, `external` where the runtime allows it, and otherwise `wasm`.
   */
  memory?: 'auto' | 'external' | 'wasm'
  /** The buffer is a SharedArrayBuffer, for workers and Atomics, in a WebAssembly memory. Default: false. */
  shared?: boolean
  /** Stores stay in this mapping and never reach the file; `write` throws. Default: false. */
  readonly?: boolean
  /**
   * `random`: small ranges all over the region are used. Nothing around them is then read from the disk, or written to it
   * by `persist`. Pages of the file that the system has cached are dropped before, and a scan of the whole region is slow.
   * `sequential`: it is used from its start to its end, once. More is then read ahead, and let go behind.
   * Default: `normal`.
   */
  access?: 'normal' | 'random' | 'sequential'
  /** What is written stays in this mapping and never reaches the file, which may be a readonly one; `persist` throws. Default: false. */
  copyOnWrite?: boolean
  /** All of the region is read into memory now. Default: false. */
  populate?: boolean
  /**
   * The region stays in memory as long as it is mapped; pages that are private do from their first use on. Default: false.
   *
   * @throws `ENOMEM`, `EPERM` or `EAGAIN` where the process may lock no more (`ulimit -l`); on Windows `ENOTSUP`.
   */
  lock?: boolean
}

const MAP_OPTIONS: Names<MapOptions> = {
  offset: true,
  maxLength: true,
  memory: true,
  shared: true,
  readonly: true,
  access: true,
  copyOnWrite: true,
  populate: true,
  lock: true,
}

/** `pmem_map_file`'s flags. */
export interface MapFileOptions extends MapOptions {
  /** How many bytes to map. Needed with `create` and `tmpfile`; otherwise the file's rest by default. */
  length?: Size
  /** With `create`, instead of `length`: a shorter file is made longer, and a longer one mapped as it is. */
  minLength?: Size
  /** Make the file if it is missing, and longer if it is shorter (PMEM_FILE_CREATE). Default: false. */
  create?: boolean
  /** With `create`: an existing file is refused with EEXIST (PMEM_FILE_EXCL). Default: false. */
  exclusive?: boolean
  /** With `create`: blocks are allocated when first written, not now (PMEM_FILE_SPARSE). Default: false. */
  sparse?: boolean
  /** The path is a folder; the file has no name there and goes with its region (PMEM_FILE_TMPFILE). Default: false. */
  tmpfile?: boolean
  /** With `create`: a longer file is cut; without this it is refused. Default: false. */
  truncate?: boolean
  /** A new file's permissions, subject to the umask. Default: 0o666. */
  mode?: number
}

const MAP_FILE_OPTIONS: Names<MapFileOptions> = {
  ...MAP_OPTIONS,
  length: true,
  minLength: true,
  create: true,
  exclusive: true,
  sparse: true,
  tmpfile: true,
  truncate: true,
  mode: true,
}

/**
 * Checks that this build provides a version of libpmem's interface (`pmem_check_version`).
 *
 * @throws `ERR_PMEM_VERSION`
 */
export function checkVersion(major: number, minor: number): true {
  native.checkVersion(...toVersion(major, minor))
  return true
}

/**
 * Maps a file, or on Linux a device of persistent memory such as `/dev/dax0.0` (device DAX). Of a device, offset and length are
 * multiples of its alignment, often 2 MiB, and `readonly`, `copyOnWrite`, `maxLength`, `shared` and a WebAssembly memory are
 * refused with `ERR_PMEM_UNSUPPORTED`.
 *
 * @param file - A descriptor, a FileHandle, a path or a file URL. It may be closed afterwards.
 * @param byteLength - The rest of the file by default.
 * @throws `ERR_OUT_OF_RANGE` for an offset that is no multiple of the page size, or past the file's end; `EINVAL` for an
 * empty file; what the operating system says of opening and mapping it.
 *
 * @example
 * import { pmem } from 'pmem'
 * import { writeFileSync } from 'node:fs'
 *
 * writeFileSync('notes.dat', Buffer.alloc(4096))
 * const region = pmem.map('notes.dat')
 * region.write('kept')
 * region.persist(0, 4)
 * region.close()
 */
export function map(file: OpenFile | Path, byteLength: Size | undefined, options: MapOptions & { shared: true }): Region<SharedArrayBuffer>
export function map(file: OpenFile | Path, byteLength?: Size, options?: MapOptions & { shared?: false }): Region
export function map(file: OpenFile | Path, byteLength?: Size, options?: MapOptions): AnyRegion
export function map(file: OpenFile | Path, byteLength?: Size, options?: MapOptions): AnyRegion {
  const { kind, ...flags } = mapArguments(toOptions(options, MAP_OPTIONS))
  const length = byteLength === undefined ? undefined : toInteger('byteLength', byteLength, 1)
  const opened = toOpenFile(file) ?? toPath('file', file as Path)
  const name = typeof opened === 'number' ? undefined : textOf(opened)
  return newRegion({ ...native.regionMap(opened, { ...flags, byteLength: length }), path: name }, kind)
}

/**
 * Maps the file at a path, and makes it first where `create` says so (libpmem's `pmem_map_file`).
 *
 * A file that is made or made longer is durable with its directory entry on return. A call that fails leaves files as
 * they were.
 *
 * @throws As {@link map}; `EEXIST`; `ENOSPC`; `ERR_OUT_OF_RANGE` for a length below the existing file's without `truncate`.
 */
export function mapFile(path: Path, options: MapFileOptions & { shared: true }): Region<SharedArrayBuffer>
export function mapFile(path: Path, options?: MapFileOptions & { shared?: false }): Region
export function mapFile(path: Path, options?: MapFileOptions): AnyRegion
export function mapFile(path: Path, options?: MapFileOptions): AnyRegion {
  const flags = toOptions(options, MAP_FILE_OPTIONS)
  const { kind, readonly, copyOnWrite, ...mapping } = mapArguments(flags)
  const bytes = toPath('path', path)
  const length = flags.length === undefined ? undefined : toInteger('length', flags.length, 1)
  const minLength = flags.minLength === undefined ? undefined : toInteger('minLength', flags.minLength, 1)
  const [creates, tmpfile] = [toBoolean('create', flags.create ?? false), toBoolean('tmpfile', flags.tmpfile ?? false)]
  const made = {
    exclusive: toBoolean('exclusive', flags.exclusive ?? false),
    sparse: toBoolean('sparse', flags.sparse ?? false),
    truncate: toBoolean('truncate', flags.truncate ?? false),
    mode: toInteger('mode', flags.mode ?? 0o666, 0, 0o7777),
  }
  if (!creates && !tmpfile) {
    if (made.exclusive || made.sparse || made.truncate) throw wrongValue('options', 'exclusive, sparse and truncate need create')
    if (minLength !== undefined) throw wrongValue('minLength', 'it needs create')
    const info = native.regionMapExisting(bytes, { ...mapping, readonly, copyOnWrite, byteLength: length })
    return newRegion({ ...info, path: textOf(bytes) }, kind)
  }
  if (readonly) throw wrongValue('readonly', 'a file that is made is written')
  if (copyOnWrite) throw wrongValue('copyOnWrite', 'a file that is made is written')
  if (minLength !== undefined && (length !== undefined || made.truncate || tmpfile)) {
    throw wrongValue('minLength', 'it goes with neither length, truncate nor tmpfile')
  }
  const create = (size: number) => native.regionCreate(bytes, { ...made, ...mapping, tmpfile, length: size })
  if (minLength !== undefined) {
    return newRegion({ ...createLonger(bytes, mapping.offset, minLength, create), path: textOf(bytes) }, kind)
  }
  if (length === undefined) throw wrongType('length', 'an integer where a file is made', length)
  const info = create(length)
  return newRegion({ ...info, path: tmpfile ? undefined : textOf(bytes) }, kind)
}

/** What `create` makes of a file as long as it is, or as `minLength`. One that grows meanwhile is looked at again. */
function createLonger<Info>(path: Uint8Array, offset: number, minLength: number, create: (length: number) => Info): Info {
  const file = Buffer.from(path)
  const longer = () => Math.max((statSync(file, { throwIfNoEntry: false })?.size ?? 0) - offset, minLength)
  for (let length = longer(); ; ) {
    try {
      return create(length)
    } catch (error) {
      const before = length
      length = longer()
      if ((error as NodeJS.ErrnoException).code !== 'ERR_OUT_OF_RANGE' || length <= before) throw error
    }
  }
}

/**
 * Another handle on the region whose `shared` buffer another thread of this process sent: to persist it from here. Its
 * `close` leaves the buffer to the others; once the region that made the buffer is closed, this one is too.
 *
 * @throws `ERR_INVALID_ARG_VALUE` for a buffer of no open region.
 */
export function attach(buffer: SharedArrayBuffer): Region<SharedArrayBuffer> {
  if (!types.isSharedArrayBuffer(buffer)) throw wrongType('buffer', 'a SharedArrayBuffer', buffer)
  const info = native.regionAttach(new Uint8Array(buffer))
  if (info === null) throw wrongValue('buffer', 'it is of no open region that was mapped with shared: true')
  return newRegion(info, 'shared', new AttachedMemory(buffer, info.byteLength))
}

/** Makes a range durable: `region.persist`. */
export function persist(region: AnyRegion, byteOffset?: Size, byteLength?: Size): void {
  toRegion(region).persist(byteOffset, byteLength)
}

/** Starts making a range durable: `region.flush`. */
export function flush(region: AnyRegion, byteOffset?: Size, byteLength?: Size): void {
  toRegion(region).flush(byteOffset, byteLength)
}

/** Synchronises the pages of a range: `region.msync`. */
export function msync(region: AnyRegion, byteOffset?: Size, byteLength?: Size): void {
  toRegion(region).msync(byteOffset, byteLength)
}

/** Waits for flushes, of any region on persistent memory: `pmem_drain`. */
export function drain(region?: AnyRegion): void {
  if (region === undefined) native.drainAll()
  else toRegion(region).drain()
}

/**
 * Closes a region: `region.close`.
 *
 * @throws `ERR_PMEM_CLOSED` where it is closed already.
 */
export function unmap(region: AnyRegion): void {
  void toRegion(region).byteLength
  region.close()
}

/** Whether a region lies on persistent memory: `pmem_is_pmem`. */
export function isPmem(region: AnyRegion): boolean {
  return toRegion(region).isPmem
}

/** Whether draining is an instruction of its own: `pmem_has_hw_drain`. */
export function hasHwDrain(): boolean {
  return capabilities.hwDrain
}

/** Whether the processor's caches survive a power failure: `pmem_has_auto_flush`. */
export function hasAutoFlush(): boolean {
  return capabilities.autoFlush
}

/** The descriptor of an open file; undefined for what may be a path. */
function toOpenFile(file: OpenFile | Path): number | undefined {
  if (typeof file === 'number') return toInteger('file', file, 0, 2 ** 31 - 1)
  if (typeof file !== 'object' || file === null || !('fd' in file)) return undefined
  return toInteger('file.fd', file.fd, -1, 2 ** 31 - 1)
}

interface MapArguments {
  offset: number
  maxLength: number | undefined
  readonly: boolean
  kind: MemoryKind
  /** The native side keeps the file for a WebAssembly memory. */
  coverable: boolean
  access: 'normal' | 'random' | 'sequential'
  copyOnWrite: boolean
  populate: boolean
  lock: boolean
}

function mapArguments(options: MapOptions): MapArguments {
  const { offset = 0, maxLength, memory = 'auto', readonly = false, shared = false, access = 'normal', ...ways } = options
  const kind = toKind(memory, toBoolean('shared', shared))
  const coverable = kind === 'wasm' || kind === 'shared'
  const flags = {
    offset: toInteger('offset', offset),
    maxLength: maxLength === undefined ? undefined : toInteger('maxLength', maxLength, 1),
    readonly: toBoolean('readonly', readonly),
    copyOnWrite: toBoolean('copyOnWrite', ways.copyOnWrite ?? false),
    populate: toBoolean('populate', ways.populate ?? false),
    lock: toBoolean('lock', ways.lock ?? false),
    access: toOneOf('access', access, ACCESSES),
  }
  if (flags.readonly && flags.copyOnWrite) throw wrongValue('copyOnWrite', 'a readonly region is not written')
  return { ...flags, kind, coverable }
}

function toKind(memory: 'auto' | 'external' | 'wasm', shared: boolean): MemoryKind {
  const { externalBuffers, wasmMemory } = capabilities
  if (typeof memory !== 'string') throw wrongType('memory', 'a string', memory)
  if (memory !== 'auto' && memory !== 'external' && memory !== 'wasm') {
    throw wrongValue('memory', "it must be 'auto', 'external' or 'wasm'")
  }
  if (shared && memory === 'external') throw wrongValue('memory', "what is shared is a WebAssembly memory: use 'wasm'")
  if (memory === 'external' && !externalBuffers) {
    throw unsupported("this runtime lets no ArrayBuffer lie over mapped memory; use memory: 'auto'")
  }
  if ((memory === 'wasm' || shared) && !wasmMemory) {
    throw unsupported('no WebAssembly memory can be a file here: Linux and macOS, with WebAssembly, can')
  }
  if (shared) return 'shared'
  if (memory !== 'auto') return memory
  if (externalBuffers) return 'external'
  return wasmMemory ? 'wasm' : 'none'
}
