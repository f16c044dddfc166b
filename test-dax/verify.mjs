// Looks for everything in a folder that work.mjs had acknowledged before the power was cut: `subject=count` for each subject
// whose changes before `count` were. More may be there, whose lines had not reached the console, each change as a whole; and
// everything goes on to work. Prints `lost SUBJECT: WHAT` for what is not there, and last how many were looked for.
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { journal, objects, pmem, pmemblk, pmemlog } from 'pmem'
import { BLOCK, BLOCKS, RECORD, SLOT, SLOTS, bytesOf, storeAfter, textOf } from './contents.mjs'

const [folder, ...counts] = process.argv.slice(2)

/** Whether bytes are those of a change with this number, or of a later one that has the same place. */
function isOf(bytes, number, places) {
  const found = bytes.readUInt32LE(0)
  return found >= number && found % places === number % places && bytes.equals(bytesOf(found, bytes.length))
}

/** What is wrong, of changes by their numbers. */
function listed(wrong, places) {
  return wrong.length === 0 ? undefined : `${wrong.length} ${places}, such as that of change ${wrong[0]}`
}

const upTo = (count) => Array.from({ length: count }, (_, number) => number)

function lostOfRegion(path, count) {
  const region = pmem.map(path)
  const slot = (number) => Buffer.from(region.buffer, number * SLOT, SLOT)
  const wrong = upTo(count).filter((number) => !isOf(slot(number), number, SLOTS))
  region.close()
  return listed(wrong, 'slots')
}

function lostOfLog(path, count) {
  if (pmemlog.check(path) !== true) return 'it is no sound log'
  const log = pmemlog.open(path)
  const bytes = log.read(0, log.tell())
  log.append('more')
  log.close()
  if (bytes.length % RECORD !== 0) return `half of a record is there: ${bytes.length} bytes`
  const there = bytes.length / RECORD
  if (there < count) return `${there} records are there`
  const record = (number) => bytes.subarray(number * RECORD, (number + 1) * RECORD)
  return listed(upTo(there).filter((number) => !record(number).equals(bytesOf(number, RECORD))), 'records')
}

/** A block that nothing was acknowledged of is empty, or has a whole change. */
function lostOfBlocks(path, count) {
  if (pmemblk.check(path) !== true) return 'it is no sound array'
  const blocks = pmemblk.open(path, BLOCK)
  const isRight = (index) => {
    const last = index < count ? index + BLOCKS * Math.floor((count - 1 - index) / BLOCKS) : index
    const block = blocks.read(index)
    return isOf(block, last, BLOCKS) || (index >= count && block.every((byte) => byte === 0))
  }
  const wrong = upTo(BLOCKS).filter((index) => !isRight(index))
  blocks.write('more', 0)
  blocks.close()
  return listed(wrong, 'blocks')
}

function lostOfJournal(path, count) {
  const events = journal.open(path)
  const texts = [...events.read({ from: 0 })].map((record) => record.text())
  events.append('more')
  events.close()
  if (texts.length < count) return `${texts.length} records are there`
  return listed(upTo(texts.length).filter((number) => texts[number] !== textOf(number)), 'records')
}

function lostOfStore(path, count) {
  const { sound, damage } = objects.check(path)
  if (!sound) return `it is damaged: ${damage.join('; ')}`
  const store = objects.open(path, { create: false })
  const found = objects.toPlain(store.root)
  store.transaction(() => store.root.list.push('more'))
  store.close()
  const there = (found.list.at(-1) ?? -1) + 1
  if (there < count) return `it is as after ${there} changes`
  return isDeepStrictEqual(found, storeAfter(there)) ? undefined : `it is not as after ${there} changes`
}

const KINDS = { region: lostOfRegion, wasm: lostOfRegion, log: lostOfLog, blocks: lostOfBlocks, journal: lostOfJournal, objects: lostOfStore }

/** What is lost of a subject; opening it may fail too. */
function lostOf(subject, count) {
  const path = join(folder, subject === 'objects' ? 'store' : subject)
  try {
    return KINDS[subject.split('-')[0]](path, count)
  } catch (error) {
    return `${error}`
  }
}

let sum = 0
for (const [subject, count] of counts.map((text) => text.split('='))) {
  const lost = lostOf(subject, Number(count))
  if (lost !== undefined) writeSync(1, `lost ${subject}: of ${count}, ${lost}\n`)
  sum += Number(count)
}
writeSync(1, `looked for ${sum}\n`)
