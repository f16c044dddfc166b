// Looks for everything in a folder that work.mjs had acknowledged before the power was cut: `subject=count` for each subject
// whose changes before `count` were. Prints `lost SUBJECT: WHAT` for what is not there, and last how many were looked for.
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { journal, objects, pmem, pmemblk, pmemlog } from 'pmem'
import { BLOCK, BLOCKS, RECORD, SLOT, SLOTS, bytesOf, storeAfter, textOf } from './contents.mjs'

const [folder, ...counts] = process.argv.slice(2)

/** The numbers that are the last of their place, of `places`. */
function lasts(count, places) {
  return Array.from({ length: Math.min(count, places) }, (_, index) => count - 1 - index)
}

/** What of a region is not there. The slot of the change that was under way may be anything. */
function lostOfRegion(path, count) {
  const region = pmem.map(path)
  const found = lasts(count, SLOTS).filter((number) => number % SLOTS !== count % SLOTS)
    .filter((number) => !Buffer.from(region.buffer, (number % SLOTS) * SLOT, SLOT).equals(bytesOf(number, SLOT)))
  region.close()
  return found.length === 0 ? undefined : `${found.length} slots, such as that of ${found[0]}`
}

function lostOfLog(path, count) {
  if (pmemlog.check(path) !== true) return 'it is no sound log'
  const log = pmemlog.open(path)
  const bytes = log.read(0, log.tell())
  log.close()
  if (bytes.length % RECORD !== 0) return `half of a record is there: ${bytes.length} bytes`
  const numbers = Array.from({ length: bytes.length / RECORD }, (_, number) => number)
  if (numbers.length < count || numbers.length > count + 1) return `${numbers.length} records are there`
  const wrong = numbers.filter((number) => !bytes.subarray(number * RECORD, (number + 1) * RECORD).equals(bytesOf(number, RECORD)))
  return wrong.length === 0 ? undefined : `${wrong.length} records, such as ${wrong[0]}`
}

/** What of a block array is not there. The block that was being written is the new one or the one before. */
function lostOfBlocks(path, count) {
  if (pmemblk.check(path) !== true) return 'it is no sound array'
  const blocks = pmemblk.open(path, BLOCK)
  const is = (number) => blocks.read(number % BLOCKS).equals(bytesOf(number, BLOCK))
  const wrong = lasts(count, BLOCKS).filter((number) => !is(number) && !(number % BLOCKS === count % BLOCKS && is(count)))
  const before = count < BLOCKS && !blocks.read(count).equals(Buffer.alloc(BLOCK)) && !is(count)
  blocks.close()
  if (before) return `half of block ${count} is there`
  return wrong.length === 0 ? undefined : `${wrong.length} blocks, such as that of ${wrong[0]}`
}

function lostOfJournal(path, count) {
  const events = journal.open(path)
  const texts = [...events.read({ from: 0 })].map((record) => record.text())
  // It goes on.
  events.append('more')
  events.close()
  if (texts.length < count || texts.length > count + 1) return `${texts.length} records are there`
  const wrong = texts.findIndex((text, number) => text !== textOf(number))
  return wrong === -1 ? undefined : `record ${wrong} is not what was appended`
}

function lostOfStore(path, count) {
  const { sound, damage } = objects.check(path)
  if (!sound) return `it is damaged: ${damage.join('; ')}`
  const store = objects.open(path, { create: false })
  const found = objects.toPlain(store.root)
  store.transaction(() => store.root.list.push('more'))
  store.close()
  const isAfter = (after) => isDeepStrictEqual(found, storeAfter(after))
  return isAfter(count) || isAfter(count + 1) ? undefined : `it is as after neither ${count} changes nor ${count + 1}`
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
