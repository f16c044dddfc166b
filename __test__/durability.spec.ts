/**
 * What is durable when. On page-cache files the kernel tells: no page of a durable range is dirty. Nothing tells of
 * persistent memory, nor of tmpfs, whose pages stay dirty for good.
 */

import { closeSync, fsyncSync, openSync, readFileSync, statfsSync, writeSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { capabilities, pmem } from 'pmem'
import { file } from './helpers/files.js'
import { isForcedPmem } from './helpers/pools.js'

const TMPFS = 0x01021994
const PAGES = 8

const { pageSize } = capabilities

/** How many pages of a mapped file are to be written to disk yet. Linux only. */
function dirty(path: string): number {
  const mappings = readFileSync('/proc/self/smaps', 'utf8').split(/\n(?=[\da-f]+-[\da-f]+ )/)
  const lines = mappings.filter((mapping) => mapping.split('\n', 1)[0]?.endsWith(` ${path}`))
  const sizes = lines.flatMap((mapping) => [...mapping.matchAll(/^(?:Shared|Private)_Dirty: +(\d+) kB$/gm)])
  return sizes.reduce((sum, [, size]) => sum + Number(size) * 1024, 0) / pageSize
}

/**
 * A region whose pages are all dirty, and go to disk one by one: written one by one, they have not been joined in the
 * page cache, and since they have their blocks, no journal takes one along with another.
 */
function soiled(t: ExecutionContext): { path: string; region: pmem.Region } {
  const path = file(t, 0)
  const descriptor = openSync(path, 'w')
  for (let page = 0; page < PAGES; page += 1) writeSync(descriptor, Buffer.alloc(pageSize, 1))
  fsyncSync(descriptor)
  closeSync(descriptor)
  const region = pmem.map(path)
  t.teardown(() => region.close())
  region.write(Buffer.alloc(PAGES * pageSize, 2))
  return { path, region }
}

const onDisk = process.platform === 'linux' && statfsSync(process.env.PMEM_TEST_DIR ?? '.').type !== TMPFS
// What tells of a sync is that pages are clean afterwards: those of tmpfs never are, and what counts as persistent memory syncs none.
const synced = onDisk ? test : test.skip
const persisted = onDisk && !isForcedPmem ? test : test.skip

type Call = (region: pmem.Region, byteOffset?: number, byteLength?: number) => unknown

const CALLS: readonly (readonly [name: string, kind: typeof test.skip, call: Call])[] = [
  ['msync', synced, (region, ...range) => region.msync(...range)],
  ['pmem.msync', synced, (region, ...range) => pmem.msync(region, ...range)],
  ['persist', persisted, (region, ...range) => region.persist(...range)],
  ['pmem.persist', persisted, (region, ...range) => pmem.persist(region, ...range)],
  ['flush', persisted, (region, ...range) => region.flush(...range)],
  ['pmem.flush', persisted, (region, ...range) => pmem.flush(region, ...range)],
  ['persistAsync', persisted, (region, ...range) => region.persistAsync(...range)],
  ['persistMany', persisted, (region, start = 0, length = region.byteLength - start) => region.persistMany([[start, length]])],
  ['copyFrom', persisted, (region, start, length = region.byteLength) => region.copyFrom(Buffer.alloc(length, 3), start)],
  ['fill', persisted, (region, start, length) => region.fill(3, start, length && (start ?? 0) + length)],
]

for (const [name, kind, call] of CALLS) {
  kind(`${name} cleans the pages of its range`, async (t) => {
    const { path, region } = soiled(t)
    await call(region, 3 * pageSize, pageSize)
    t.true(dirty(path) <= PAGES - 1)
    await call(region, pageSize - 1, 2)
    t.true(dirty(path) <= PAGES - 3)
    await call(region)
    t.is(dirty(path), 0)
  })
}

persisted('persistMany cleans the pages of all its ranges', (t) => {
  const { path, region } = soiled(t)
  region.persistMany([[7 * pageSize, 1], [0, 0], [pageSize, 1]])
  t.true(dirty(path) <= PAGES - 2)
})
