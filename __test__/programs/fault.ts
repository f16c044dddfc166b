/**
 * Uses what lies over a file whose pages go: it is cut, or it is sparse and its disk is full. Prints what came of it.
 *
 *     fault.js region CASE cut|full FOLDER OTHER
 *     fault.js log|array ENGINE cut|full FOLDER OTHER
 *
 * OTHER is a folder on another disk.
 */

import { rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pmem, pmemblk, pmemlog } from 'pmem'

const [what = '', which = '', cause = '', folder = '', other = ''] = process.argv.slice(2)
const path = join(folder, 'file')
const filler = join(folder, 'filler')
const MEGABYTE = 2 ** 20
/** Where pages go: far behind those that stay. */
const LOST = 700_000

/** The code of what `act` throws; null for nothing. */
function code(act: () => unknown): string | null {
  try {
    act()
    return null
  } catch (error) {
    return String((error as { code?: string }).code ?? error)
  }
}

/** Takes the pages away. */
function spoil(): void {
  if (cause === 'cut') {
    truncateSync(path, 4096)
    return
  }
  // Down to the last byte: pages that are there already stay usable.
  for (const size of [MEGABYTE, 4096, 1]) while (code(() => writeFileSync(filler, Buffer.alloc(size), { flag: 'a' })) === null);
}

/** Stores a byte from WebAssembly: `(func (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))`. */
function storeByWasm(memory: unknown, offset: number): void {
  const code = [
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 6, 1, 0x60, 2, 0x7f, 0x7f, 0, 2, 11, 1, 1, 0x6d, 1, 0x6d, 2, 1, 0, 0x80, 0x80, 4,
    3, 2, 1, 0, 7, 5, 1, 1, 0x73, 0, 0, 10, 11, 1, 9, 0, 0x20, 0, 0x20, 1, 0x3a, 0, 0, 11,
  ]
  const { Module, Instance } = (globalThis as any).WebAssembly
  new Instance(new Module(Uint8Array.from(code)), { m: { m: memory } }).exports.s(offset, 7)
}

type Options = pmem.MapFileOptions
type AnyRegion = pmem.AnyRegion

/** Uses bytes of the region whose pages are gone as data. */
function sourced(region: AnyRegion, use: (data: Uint8Array) => unknown, length = 100): unknown {
  return use(region.view(Uint8Array, LOST, length))
}

/** How a region is mapped and used, by which its pages fault. */
const REGIONS: Record<string, [options: Options, use: (region: AnyRegion) => unknown]> = {
  'external view': [{ memory: 'external' }, (region) => {
    region.view(Uint8Array)[LOST] = 7
    region.persist(LOST, 1)
  }],
  'wasm view': [{ memory: 'wasm' }, (region) => {
    region.view(Uint8Array)[LOST] = 7
    region.persist(LOST, 1)
  }],
  'shared view': [{ memory: 'wasm', shared: true }, (region) => {
    Atomics.store(region.view(Uint8Array), LOST, 7)
    region.persist(0, 1)
  }],
  'attached region': [{ shared: true }, (region) => {
    const attached = pmem.attach(region.buffer as SharedArrayBuffer)
    attached.view(Uint8Array)[LOST] = 7
    attached.persist(LOST, 1)
  }],
  WebAssembly: [{ memory: 'wasm' }, (region) => {
    storeByWasm(region.memory, LOST)
    region.persist(LOST, 1)
  }],
  write: [{}, (region) => (region.seek(LOST), region.write('x'))],
  'write by a copy': [{}, (region) => region.copyFrom('x', LOST)],
  'a large copy': [{}, (region) => region.copyFrom(Buffer.alloc(300_000), LOST - 100_000)],
  'write in a WebAssembly memory': [{ memory: 'wasm' }, (region) => (region.seek(LOST), region.write('x'))],
  'data for a log': [{}, (region) => sourced(region, (data) => pmemlog.create(join(other, 'log')).append(data))],
  'long data for a log': [{}, (region) => sourced(region, (data) => pmemlog.create(join(other, 'log')).append(data), 100_000)],
  'data for an array': [{}, (region) => sourced(region, (data) => pmemblk.create(join(other, 'array')).write(data, 0))],
  'data for another region': [{}, (region) => sourced(region, (data) => pmem.mapFile(join(other, 'region'), { length: MEGABYTE, create: true }).write(data))],
  'a copy for another region': [{}, (region) => sourced(region, (data) => pmem.mapFile(join(other, 'region'), { length: MEGABYTE, create: true }).copyFrom(data))],
  'a store before': [{}, (region) => region.persist(LOST, 1)],
  fill: [{}, (region) => region.fill(7, LOST, LOST + 1, { durable: false })],
}

function useRegion(): unknown {
  const [options, use] = REGIONS[which]!
  const region: AnyRegion = pmem.mapFile(path, { length: MEGABYTE, create: true, sparse: true, ...options })
  const untouched = pmem.mapFile(join(other, 'other'), { length: MEGABYTE, create: true })
  region.write('kept')
  region.persist(0, 4)
  if (which === 'a store before') region.fill(7, LOST, LOST + 1, { durable: false })
  spoil()
  const during = code(() => use(region))
  const later = [
    () => region.persist(0, 4), () => region.flush(0, 4), () => region.msync(0, 4), () => region.persistMany([[0, 4]]),
    () => region.drain(), () => region.seek(0), () => region.read(4), () => region.write('x'), () => region.copyFrom('x'),
    () => region.fill(0), () => region.view(Uint8Array), () => region.buffer,
  ].map(code)
  const elsewhere = code(() => (untouched.write('fine'), untouched.persist(), untouched.close()))
  return { during, later: [...new Set(later)], elsewhere, close: code(() => region.close()), again: code(() => region.close()) }
}

interface Pool {
  /** Changes the pool; `step` counts the changes. */
  change(step: number): void
  close(): void
  uses: readonly (() => unknown)[]
}

const CHUNK = Buffer.alloc(32_768)

function openLog(file: string, make: boolean): Pool {
  const log = make ? pmemlog.create(file, 8 * MEGABYTE, { engine: which as 'rust', sparse: true }) : pmemlog.open(file)
  return {
    change: (step) => log.append(CHUNK.fill(step)),
    close: () => log.close(),
    uses: [() => log.append('x'), () => log.appendMany(['x']), () => log.read(0, 1), () => log.tell(), () => log.walk(() => 1), () => log.rewind()],
  }
}

function openArray(file: string, make: boolean): Pool {
  const options = { engine: which as 'rust', sparse: true }
  const array = make ? pmemblk.create(file, CHUNK.length, 24 * MEGABYTE, options) : pmemblk.open(file)
  return {
    change: (step) => array.write(CHUNK.fill(step), step % 10),
    close: () => array.close(),
    uses: [() => array.read(0), () => array.write('x', 0), () => array.setZero(0), () => array.setError(0), () => array.readMany(0, 2)],
  }
}

/** How many changes a log or array has; -1 where one is not what was written. */
function changes(file: string, done: number): number {
  if (what === 'log') {
    const log = pmemlog.open(file)
    let step = 0
    for (const chunk of log.chunks(CHUNK.length)) if (!chunk.equals(CHUNK.fill(step++))) return -1
    return step
  }
  const array = pmemblk.open(file)
  // The last write to each block.
  for (let step = Math.max(0, done - 10); step < done; step += 1) if (!array.read(step % 10).equals(CHUNK.fill(step))) return -1
  return done
}

function usePool(): unknown {
  const open = what === 'log' ? openLog : openArray
  const [pool, untouched] = [open(path, true), open(join(other, 'other'), true)]
  let done = 0
  for (; done < 5; done += 1) pool.change(done)
  spoil()
  let during: string | null = null
  for (; during === null && done < 1000; ) {
    during = code(() => pool.change(done))
    if (during === null) done += 1
  }
  // What only found no room goes on once there is some.
  const later = during === 'ENOSPC' ? [(rmSync(filler, { force: true }), code(() => pool.change(done++)))] : pool.uses.map(code)
  const elsewhere = code(() => (untouched.change(1), untouched.close()))
  const close = code(() => pool.close())
  rmSync(filler, { force: true })
  const left = cause === 'full' ? changes(path, done) === done : null
  return { during, later: [...new Set(later)], elsewhere, close, left }
}

console.log(JSON.stringify(what === 'region' ? useRegion() : usePool()))
