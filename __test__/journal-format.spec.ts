/** A second reader of journals, which knows what `docs/journal-format.md` says, and nothing else. */

import { cpSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { journal } from 'pmem'
import { journalFolder, numbered, opened } from './helpers/journals.js'
import { pattern } from './helpers/pools.js'

interface Read {
  sequence: bigint
  time: bigint
  payload: Buffer
}

interface Slot {
  count: bigint
  end: number
  sequence: bigint
  reach: number
  kept: bigint
  epoch: bigint
  latest: bigint
  state: number
  successor: bigint
}

interface Segment {
  name: string
  bytes: Buffer
  uuid: string
  epoch: bigint
  first: bigint
  kept: bigint
  salt: bigint
  slot: Slot
}

interface Frame {
  sequence: bigint
  time: bigint
  flags: number
  payload: Buffer
  next: number
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1
  return value >>> 0
})

/** The CRC-32C of pieces, one behind the other. */
function crc(...pieces: Buffer[]): number {
  let value = 0xffffffff
  for (const piece of pieces) for (const byte of piece) value = TABLE[(value ^ byte) & 0xff]! ^ (value >>> 8)
  return (value ^ 0xffffffff) >>> 0
}

function u64(value: bigint | number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

const ANCHORED = 1
const MORE = 2
const [OPEN, CLOSED, SEALED] = [0, 1, 2]

function damage(what: string): never {
  throw new Error(`damage: ${what}`)
}

function readSlot(page: Buffer, at: number, salt: bigint): Slot | undefined {
  const slot = page.subarray(at, at + 96)
  if (crc(u64(salt), slot.subarray(0, 92)) !== slot.readUInt32LE(92)) return undefined
  const number = (offset: number) => slot.readBigUInt64LE(offset)
  return {
    count: number(0),
    end: Number(number(8)),
    sequence: number(16),
    reach: Number(number(24)),
    kept: number(32),
    epoch: number(40),
    latest: number(48),
    state: slot.readUInt32LE(56),
    successor: number(64),
  }
}

function readSegment(folder: string, name: string): Segment {
  const bytes = readFileSync(join(folder, name))
  const number = (offset: number) => bytes.readBigUInt64LE(offset)
  if (bytes.toString('latin1', 0, 8) !== 'PMEMJRNL' || crc(bytes.subarray(0, 92)) !== bytes.readUInt32LE(92)) damage('header')
  if (bytes.readUInt32LE(8) !== 1 || bytes.readUInt32LE(16) !== 0) throw new Error('it is newer')
  if (number(48) !== BigInt(name.slice(0, 20)) || number(64) !== BigInt(bytes.length)) damage('name or size')
  const salt = number(80)
  const slots = [1024, 2048].map((at) => readSlot(bytes, at, salt)).filter((slot) => slot !== undefined)
  const slot = slots.sort((one, other) => Number(other.count - one.count))[0] ?? damage('slots')
  const uuid = bytes.toString('hex', 24, 40)
  return { name, bytes, uuid, epoch: number(40), first: number(48), kept: number(56), salt, slot }
}

/** The frame at a place, if a sound one is there. */
function readFrame({ bytes, salt }: Segment, at: number): Frame | undefined {
  if (at + 32 > bytes.length) return undefined
  const length = bytes.readUInt32LE(at)
  const next = at + Math.ceil(length / 8) * 8
  const head = [u64(salt), u64(at), bytes.subarray(at, at + 4), bytes.subarray(at + 8, at + 28)]
  if (length < 32 || next > bytes.length || crc(...head) !== bytes.readUInt32LE(at + 28)) return undefined
  if (crc(...head, bytes.subarray(at + 28, next)) !== bytes.readUInt32LE(at + 4)) return undefined
  const flags = bytes.readUInt16LE(at + 26)
  if (bytes.readUInt16LE(at + 24) !== 1 || (flags & ~(ANCHORED | MORE)) !== 0) throw new Error('unknown kind or flag')
  const payload = bytes.subarray(at + 32, at + length)
  return { sequence: bytes.readBigUInt64LE(at + 8), time: bytes.readBigUInt64LE(at + 16), flags, payload, next }
}

/** The sound frames from a place on, in their order, and where they end. */
function walk(segment: Segment, at: number, sequence: bigint, limit: number): { frames: Frame[]; end: number } {
  const frames: Frame[] = []
  for (;;) {
    const frame = readFrame(segment, at)
    if (frame?.sequence !== sequence || frame.next > limit) return { frames, end: at }
    frames.push(frame)
    at = frame.next
    sequence += 1n
  }
}

/** That what stands at the end of an open segment's frames is nothing, or a write that was cut short. */
function checkRest(segment: Segment, at: number, sequence: bigint): void {
  const { bytes, slot } = segment
  for (let behind = at + 8; behind < slot.reach; behind += 8) {
    if ((readFrame(segment, behind)?.flags ?? 0) & ANCHORED) damage(`an anchored frame behind ${at}`)
  }
  if (at + 8 > slot.reach || bytes.readBigUInt64LE(at) === 0n) return
  const head = [u64(segment.salt), u64(at), bytes.subarray(at, at + 4), bytes.subarray(at + 8, at + 28)]
  const isHeader = crc(...head) === bytes.readUInt32LE(at + 28)
  const words = isHeader ? Math.ceil(bytes.readUInt32LE(at) / 8) : 4
  for (let word = 0; word < words; word += 1) {
    if (bytes.readBigUInt64LE(at + word * 8) === 0n && (word !== 1 || sequence > 0n)) return
  }
  damage(`the frame at ${at}`)
}

/** The frames of a segment in front of `next`, the first sequence of the one behind it. */
function framesOf(segment: Segment, next: bigint | undefined): Frame[] {
  const { slot, first } = segment
  const known = walk(segment, 4096, first, slot.end)
  if (known.end !== slot.end || first + BigInt(known.frames.length) !== slot.sequence) damage(`${segment.name} before its end`)
  if (slot.state !== OPEN) return known.frames
  const found = walk(segment, slot.end, slot.sequence, slot.reach)
  if (next === undefined) checkRest(segment, found.end, slot.sequence + BigInt(found.frames.length))
  // The last batch may not be whole.
  const whole = found.frames.findLastIndex(({ flags }) => (flags & MORE) === 0) + 1
  return [...known.frames, ...found.frames.slice(0, whole)]
}

/** All records that a journal keeps. */
function readJournal(folder: string): Read[] {
  const names = readdirSync(folder).filter((name) => /^\d{20}\.seg$/.test(name)).sort()
  const segments = names.map((name) => readSegment(folder, name))
  const kept = segments.flatMap((one) => [one.kept, one.slot.kept]).reduce((one, other) => (one > other ? one : other))
  const records: Read[] = []
  for (const [index, segment] of segments.entries()) {
    if (segment.uuid !== segments[0]!.uuid) damage('another journal')
    const next = segments[index + 1]
    // All of its records were given up.
    if (next !== undefined && next.first <= kept) continue
    if (next === undefined && segment.slot.state === SEALED) damage('the last segment is missing')
    const frames = framesOf(segment, next?.first)
    const end = segment.first + BigInt(frames.length)
    const isNamed = segment.slot.state !== SEALED || segment.slot.successor === next?.salt
    if (next && (end < next.first || (next.epoch <= segment.slot.epoch && (end > next.first || !isNamed)))) damage('a gap or an overlap')
    for (const { sequence, time, payload } of frames) {
      if (sequence >= kept && (next === undefined || sequence < next.first)) records.push({ sequence, time, payload })
    }
  }
  return records
}

/** That both readers give the same. */
function same(t: ExecutionContext, folder: string, events: journal.Journal, expected?: number): void {
  const found = readJournal(folder)
  const all = [...events]
  if (expected !== undefined) t.is(all.length, expected)
  t.is(found.length, all.length)
  for (const [index, { sequence, timestamp, data }] of all.entries()) {
    const other = found[index]!
    if (Number(other.sequence) !== sequence || Number(other.time) !== timestamp || !other.payload.equals(data)) t.fail(`record ${sequence}`)
  }
}

/** Copies a journal's folder as it is now. */
function copied(t: ExecutionContext, folder: string): string {
  const copy = journalFolder(t)
  cpSync(folder, copy, { recursive: true })
  return copy
}

/** Appends records of many lengths, in all ways, and over some segments. */
async function fill(events: journal.Journal): Promise<void> {
  for (let round = 0; round < 40; round += 1) {
    events.append(pattern(round * 97))
    events.append(`not durable ${round}`, { durable: false })
    events.appendMany(numbered(round))
    await Promise.all([events.appendAsync(''), events.appendManyAsync([pattern(round), pattern(4096)])])
  }
  events.append(pattern(200_000))
}

test('the checksum is that of iSCSI', (t) => {
  t.is(crc(Buffer.from('123456789')), 0xe3069283)
  t.is(crc(Buffer.alloc(32)), 0x8a9136aa)
})

for (const firstSequence of [0, 2 ** 40]) {
  test(`a journal is read while it is open, after it was closed, and after it went on: from ${firstSequence} on`, async (t) => {
    const events = opened(t, { segmentSize: 64 << 10, firstSequence })
    const { path } = events
    same(t, path, events, 0)
    await fill(events)
    t.true(events.segments > 3)
    same(t, path, events, 5 * 40 + 780 + 1)
    // What is not durable yet has its place in the files.
    events.append('in the files', { durable: false })
    t.is(readJournal(copied(t, path)).at(-1)!.payload.toString(), 'in the files')
    const copy = copied(t, path)
    same(t, copy, opened(t, {}, copy), 5 * 40 + 780 + 2)
    events.truncateBefore(events.first + 500)
    same(t, path, events)
    events.close()
    same(t, path, opened(t, { readonly: true }, path))
    const again = opened(t, {}, path)
    again.appendMany(['on', 'and on'])
    same(t, path, again)
  })
}

test('a journal that was recovered is read, and one before it is', async (t) => {
  const events = opened(t, { segmentSize: 64 << 10 })
  for (let round = 0; round < 5; round += 1) {
    await fill(events)
    const copy = copied(t, events.path)
    const before = readJournal(copy)
    const recovered = opened(t, { segmentSize: 64 << 10 }, copy)
    t.is(recovered.next, before.length)
    same(t, copy, recovered)
    recovered.append('after')
    await fill(recovered)
    same(t, copy, recovered)
  }
})

test('a journal has its uuid from when it was made on, also for who only reads it', (t) => {
  const events = opened(t)
  const name = readdirSync(events.path).find((file) => file.endsWith('.seg'))!
  t.regex(events.uuid, /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/)
  t.is(events.uuid.replaceAll('-', ''), readSegment(events.path, name).uuid)
  t.not(opened(t).uuid, events.uuid)
  const copy = copied(t, events.path)
  events.close()
  for (const options of [{ readonly: true }, {}]) for (const path of [events.path, copy]) t.is(opened(t, options, path).uuid, events.uuid)
})

test('damage is found', async (t) => {
  const events = opened(t, { segmentSize: 64 << 10 })
  await fill(events)
  const { path } = events
  events.close()
  const names = readdirSync(path).filter((name) => name.endsWith('.seg')).sort()
  const segment = readSegment(path, names[1]!)
  t.is(segment.slot.state, SEALED)
  t.is(readSegment(path, names.at(-1)!).slot.state, CLOSED)
  segment.bytes[4096 + 32 + 5]! ^= 1
  t.throws(() => framesOf(segment, undefined), { message: /^damage/ })
})
