// On a file system with DAX: every mapping of every module's files is one with MAP_SYNC, without PMEM_IS_PMEM_FORCE.
import { mkdtempSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { capabilities, journal, objects, pmem, pmemblk, pmemlog } from 'pmem'
import { check, equal } from './check.mjs'

const folder = mkdtempSync(join(process.env.PMEM_TEST_DIR, 'mappings-'))
const LENGTH = 4 << 20

/** The numbers of a file, or of all in a folder: the kernel knows a file by the name that it had when it was mapped, or by none. */
function numbers(path) {
  const within = statSync(path).isDirectory() ? readdirSync(path).flatMap((name) => numbers(join(path, name))) : []
  return [statSync(path).ino, ...within]
}

/** The files that this process has mapped shared, by their numbers, with the flags of the mapping. */
function mappings(path) {
  const found = []
  for (const line of readFileSync('/proc/self/smaps', 'utf8').split('\n')) {
    const [, permissions, file] = /^[0-9a-f]+-[0-9a-f]+ (\S+) \S+ \S+ (\d+)/.exec(line) ?? []
    if (permissions !== undefined) found.push({ permissions, file: Number(file), flags: [] })
    else if (line.startsWith('VmFlags:')) found.at(-1).flags = line.split(/\s+/).slice(1)
  }
  const wanted = new Set(numbers(path))
  return found.filter(({ file, permissions }) => wanted.has(file) && permissions.endsWith('s'))
}

/** Checks that what `open` opens below a path of its own is mapped synchronously, `atLeast` times. */
function synchronous(name, atLeast, open) {
  check(`${name}: MAP_SYNC`, () => {
    const path = join(folder, name.replaceAll(/\W/g, '-'))
    const opened = [open(path)].flat()
    const found = mappings(path)
    const plain = found.filter(({ flags }) => !flags.includes('sf'))
    equal(plain.map(({ file, flags }) => `${file} ${flags.join(' ')}`).join('\n'), '')
    if (found.length < atLeast) throw new Error(`${found.length} mappings in place of ${atLeast}`)
    for (const each of opened.toReversed()) each.close()
    equal(mappings(path).length, 0)
  })
}

/** A region that is on persistent memory, and works. */
function regionAt(path, options) {
  const region = pmem.mapFile(path, { length: LENGTH, create: true, ...options })
  equal(region.isPmem, true)
  region.fill(7, 0, LENGTH)
  new Uint8Array(region.buffer)[LENGTH - 1] = 1
  region.persist(LENGTH - 1, 1)
  return region
}

check('PMEM_IS_PMEM_FORCE is not set', () => equal(process.env.PMEM_IS_PMEM_FORCE, undefined))
check('the processor flushes cache lines', () => equal(['clwb', 'clflushopt'].includes(capabilities.flushInstruction), true))

synchronous('a region', 1, (path) => regionAt(path))
synchronous('a region over a WebAssembly memory', 2, (path) => regionAt(path, { memory: 'wasm' }))
synchronous('a shared region', 2, (path) => regionAt(path, { shared: true }))
synchronous('a sparse region', 1, (path) => regionAt(path, { sparse: true }))
synchronous('a region that grows', 1, (path) => {
  const grown = regionAt(path, { maxLength: 8 * LENGTH })
  grown.grow(2 * LENGTH)
  grown.persist(LENGTH, LENGTH)
  return grown
})
synchronous('a file mapped twice', 2, (path) => [regionAt(path), pmem.map(path)])
for (const engine of capabilities.engines) {
  synchronous(`a log of ${engine}`, 1, (path) => {
    const log = pmemlog.create(path, undefined, { engine })
    log.append('one')
    return log
  })
  synchronous(`blocks of ${engine}`, 1, (path) => {
    const blocks = pmemblk.create(path, 512, undefined, { engine })
    blocks.write('one', 1)
    return blocks
  })
}
synchronous('a journal', 1, (path) => {
  const events = journal.open(path)
  for (let number = 0; number < 100; number += 1) events.append(`record ${number}`)
  return events
})
synchronous('a journal beside a reader', 1, (path) => {
  const events = journal.open(path)
  events.append('record')
  const reader = journal.open(path, { readonly: true })
  equal([...reader.read({ from: 0 })].length, 1)
  return [events, reader]
})
synchronous('a store of objects', 1, (path) => {
  const store = objects.open(path, { root: () => ({ list: [] }) })
  store.transaction(() => store.root.list.push(...Array.from({ length: 1000 }, (_, number) => `entry ${number}`)))
  return store
})
