/**
 * The main job: data is kept in a mapped file, in a log, in an array of blocks and in a journal, and found again by a second
 * process.
 *
 *     npm start                        over temporary files
 *     npm start -- /mnt/pmem/example   over this file, and example.log, .blk and .journal beside it, which stay
 */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { capabilities, journal, pmem, pmemblk, pmemlog } from 'pmem'

const SIZE = 4096
const GREETING = 'Hello from persistent memory'
const SQUARES = { byteOffset: 1024, values: [0, 1, 4, 9, 16, 25, 36, 49] }
const HALVES = { byteOffset: 2048, values: [1, 0.5, 0.25, 0.125, 0.0625] }
const ENTRY = 'persistent logging!'
const BLOCK = { size: 256, index: 20, text: 'persistent block!' }

/** What is shown: each section writes in the first process and reads in the second. */
const sections = [
  { write: writeRegion, read: readRegion },
  { write: writeLog, read: readLog },
  { write: writeBlocks, read: readBlocks },
  { write: writeJournal, read: readJournal },
]

function writeRegion(path: string): void {
  refuseForeign(path)
  const region = pmem.mapFile(path, { length: SIZE, create: true })
  title(`A region: ${region.byteLength} bytes of ${path}, mapped as memory`)
  say(`it lies on ${fileSystem(path)}, ${medium(region)}`)

  // The cursor: each write goes on where the last one ended.
  region.write(GREETING)
  region.write(`, written by process ${process.pid}`)
  const written = region.position
  region.seek(0)
  say(`wrote text with the cursor, read it back: "${region.read(written)}"`)

  // Views are the mapped memory itself: an assignment is a store to the file.
  const squares = region.view(Int32Array, SQUARES.byteOffset, SQUARES.values.length)
  const halves = region.view(Float64Array, HALVES.byteOffset, HALVES.values.length)
  squares.set(SQUARES.values)
  halves.set(HALVES.values)
  say(`put an Int32Array at byte ${SQUARES.byteOffset} (${squares.join(', ')})`)
  say(`put a Float64Array at byte ${HALVES.byteOffset} (${halves.join(', ')})`)

  // Until here a power failure may lose everything. What is persisted stays.
  region.write('\0') // where the text ends: an older one may have been longer
  region.persist(0, written + 1)
  region.persistMany([
    [SQUARES.byteOffset, SQUARES.values.length * Int32Array.BYTES_PER_ELEMENT],
    [HALVES.byteOffset, HALVES.values.length * Float64Array.BYTES_PER_ELEMENT],
  ])
  say('persisted the three ranges')
  region.close()
  say('closed: the file is unmapped, every view is empty')
}

function readRegion(path: string): void {
  const region = pmem.map(path)
  title(`The region again, mapped by process ${process.pid}`)
  const text = region.read(SQUARES.byteOffset).toString().replace(/\0.*$/s, '')
  assert.ok(text.startsWith(GREETING), `the text at byte 0 is missing from ${path}`)
  say(`text: "${text}"`)

  const squares = region.view(Int32Array, SQUARES.byteOffset, SQUARES.values.length)
  assert.deepEqual([...squares], SQUARES.values)
  say(`Int32Array: ${squares.join(', ')}`)

  const halves = region.view(Float64Array, HALVES.byteOffset, HALVES.values.length)
  assert.deepEqual([...halves], HALVES.values)
  say(`Float64Array: ${halves.join(', ')}`)
  region.close()
}

function writeLog(base: string): void {
  const path = `${base}.log`
  using log = existsSync(path) ? pmemlog.open(path) : pmemlog.create(path)
  title(`A log of ${log.nbyte()} bytes: ${path}`)
  say(`its engine is ${log.engine}: ${engineText(log.engine)}`)
  refuseForeignText(path, log.read(0, Math.min(log.tell(), ENTRY.length)).toString(), ENTRY)
  say(log.tell() === 0 ? 'it is empty' : `it holds ${log.tell()} bytes from earlier runs`)

  const entry = `${ENTRY} written by process ${process.pid}\n`
  // An append that does not fit throws ENOSPC and changes nothing. Here old entries may go.
  if (entry.length > log.nbyte() - log.tell()) log.rewind()
  log.append(entry)
  say(`appended "${entry.trim()}": all or nothing, durable on return`)
}

function readLog(base: string): void {
  using log = pmemlog.open(`${base}.log`)
  title(`The log again, opened by process ${process.pid}`)
  let last: string | undefined
  let count = 0
  log.walk((data) => {
    const entries = data.toString().trim().split('\n')
    count = entries.length
    last = entries.at(-1)
  })
  assert.ok(last?.startsWith(ENTRY), `the entry is missing from ${base}.log`)
  say(`${log.tell()} bytes, ${count} ${count === 1 ? 'entry' : 'entries'}, the last: "${last}"`)
}

function writeBlocks(base: string): void {
  const path = `${base}.blk`
  using blocks = existsSync(path) ? pmemblk.open(path, BLOCK.size) : pmemblk.create(path, BLOCK.size)
  title(`An array of ${blocks.nblock()} blocks of ${blocks.bsize()} bytes: ${path}`)
  say(`its engine is ${blocks.engine}: ${engineText(blocks.engine)}`)
  const before = blocks.readText(BLOCK.index)
  refuseForeignText(path, before, BLOCK.text)
  say(before === '' ? `block ${BLOCK.index} is zeros` : `block ${BLOCK.index} holds "${before}"`)

  const text = `${BLOCK.text} written by process ${process.pid}`
  blocks.write(text, BLOCK.index)
  say(`wrote "${text}" to it: the old block or the new one, durable on return`)
}

function readBlocks(base: string): void {
  // The size of a block is in the file.
  using blocks = pmemblk.open(`${base}.blk`)
  title(`The blocks again, opened by process ${process.pid}`)
  const text = blocks.readText(BLOCK.index)
  assert.ok(text.startsWith(BLOCK.text), `the text of block ${BLOCK.index} is missing from ${base}.blk`)
  say(`block ${BLOCK.index} of ${blocks.nblock()}: "${text}"`)
}

function writeJournal(base: string): void {
  const path = `${base}.journal`
  using events = journal.open(path)
  title(`A journal: records in the folder ${path}`)
  say(events.first === events.next ? 'it is empty' : `it holds the records ${events.first} to ${events.next - 1}`)
  if (events.recovered.torn > 0) say(`${events.recovered.torn} bytes of a write that was interrupted were cut`)

  const sequence = events.appendMany([
    JSON.stringify({ type: 'started', process: process.pid }),
    JSON.stringify({ type: 'ended', process: process.pid }),
  ])
  say(`appended the records ${sequence} and ${sequence + 1}: both or neither, durable on return`)
}

function readJournal(base: string): void {
  using events = journal.open(`${base}.journal`, { readonly: true })
  title(`The journal again, opened by process ${process.pid}`)
  for (const record of events.read({ from: events.next - 2 })) {
    const event = record.json<{ type: string; process: number }>()
    say(`record ${record.sequence}: ${event.type}, by process ${event.process}`)
  }
}

function engineText(engine: string): string {
  return engine === 'pmdk' ? 'the C library of PMDK' : "this package's own, in Rust"
}

/** Leaves a pool alone that has something else where an earlier run would have put its text. */
function refuseForeignText(path: string, found: string, own: string): void {
  assert.ok(found === '' || found.startsWith(own), `${path} holds something else: give the path of a new file`)
}

/** Leaves a file alone that is neither blank nor of an earlier run. */
function refuseForeign(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false })
  // What is missing will be made. What is too long, or no file at all, mapFile refuses itself.
  if (!found?.isFile() || found.size > SIZE) return
  const content = readFileSync(path, 'latin1')
  const usable = /^\0*$/.test(content) || content.startsWith(GREETING)
  assert.ok(usable, `${path} holds something else: give the path of a new file`)
}

const FILE_SYSTEMS = new Map([
  [0xef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x01021994, 'tmpfs'],
  [0x794c7630, 'overlayfs'],
])

function fileSystem(path: string): string {
  const { type } = statfsSync(path)
  return FILE_SYSTEMS.get(type) ?? `a file system of type 0x${type.toString(16)}`
}

function medium(region: pmem.Region): string {
  if (!region.isPmem) return 'in the page cache: persist is an msync'
  const forced = process.env.PMEM_IS_PMEM_FORCE === '1' ? ' (PMEM_IS_PMEM_FORCE says so)' : ''
  return `persistent memory${forced}: persist flushes with ${capabilities.flushInstruction} and drains`
}

function title(text: string): void {
  console.log(`\n${text}`)
}

function say(text: string): void {
  console.log(`  ${text}`)
}

function firstProcess(given: string | undefined): void {
  const temporary = mkdtempSync(join(tmpdir(), 'pmem-'))
  const path = given ?? join(temporary, 'example')
  const library = capabilities.pmdk === null ? 'without PMDK' : `with PMDK ${capabilities.pmdk}`
  console.log(`pmem ${library}; this processor's flush instruction: ${capabilities.flushInstruction}`)
  try {
    for (const section of sections) section.write(path)
    execFileSync(process.execPath, [__filename, '--read', path], { stdio: 'inherit' })
    console.log('\nEverything is there.')
  } finally {
    rmSync(temporary, { recursive: true })
  }
}

function secondProcess(path: string): void {
  for (const section of sections) section.read(path)
}

try {
  const [first, second] = process.argv.slice(2)
  if (first === '--read' && second !== undefined) secondProcess(second)
  else firstProcess(first)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
