/** What an actor of the soak does: works on every module. Each opens, changes, compares with a plain twin, and closes. */

import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { finished } from 'node:stream/promises'
import { isDeepStrictEqual } from 'node:util'
import { capabilities, journal, objects, pmem, pmemblk, pmemlog } from 'pmem'
import { chance } from '../../helpers/chance.js'
import { difference, formOf } from '../../helpers/forms.js'

export type Works = Record<string, () => void | Promise<void>>

/** Who works where. The actor `a` alone writes what all others read; `b` is in its process. */
export interface Place {
  readonly folder: string
  readonly actor: 'a' | 'b' | 'c'
  readonly seed: number
}

type EngineName = (typeof capabilities.engines)[number]

const KiB = 1 << 10
const MiB = 1 << 20

/** Ends the soak: something is not what was written. */
function wrong(what: string): never {
  throw new Error(`the soak found something wrong: ${what}`)
}

function isSame(found: Uint8Array, expected: Uint8Array, what: string): void {
  if (Buffer.compare(found, expected) === 0) return
  const at = expected.findIndex((byte, index) => byte !== found[index])
  wrong(`${what}: ${found.length} bytes for ${expected.length}, which differ at ${at}`)
}

const LINE = 64
const line = (number: number) => Buffer.from(`${number}`.padEnd(LINE, '.'))
const text = (sequence: number) => `${sequence}:${'.'.repeat((sequence * 37) % 500)}`

/** The works of one actor, each on files of its own or on those that all share. */
export function worksOf({ folder, actor, seed }: Place): Works {
  const random = chance(seed)
  const pick = <T>(items: readonly T[]): T => items[random(items.length)]!
  const own = (name: string) => join(folder, `${name}-${actor}`)
  const shared = (name: string) => join(folder, name)
  const engine = () => pick(capabilities.engines) as EngineName
  const bytes = (most: number) => Buffer.alloc(1 + random(most), random(256))
  const close = async (handle: Disposable | AsyncDisposable) => {
    if (Symbol.asyncDispose in handle && random(2) === 0) await handle[Symbol.asyncDispose]()
    else (handle as Disposable)[Symbol.dispose]()
  }

  return {
    region: ownRegion(),
    counter: counter(),
    log: ownLog(),
    blocks: ownBlocks(),
    journal: ownJournal(),
    objects: ownStore(),
    'shared log': actor === 'a' ? logWriter() : logReader(),
    'shared journal': actor === 'a' ? journalWriter() : journalReader(),
    ...(actor !== 'c' && { 'shared objects': sharedStore() }),
  }

  /** A region that grows up to a size, and begins anew there. */
  function ownRegion() {
    const path = own('region')
    const most = 2 * MiB
    let twin = Buffer.alloc(64 * KiB)
    return async () => {
      const kind = pick<pmem.MapFileOptions>([{}, { memory: 'wasm' }, { shared: true }, { memory: 'external' }, { lock: false, populate: true }])
      const options = !capabilities.externalBuffers && kind.memory === 'external' ? {} : kind
      const region: pmem.AnyRegion = pmem.mapFile(path, { ...options, create: true, length: twin.length, maxLength: most })
      isSame(region.read(), twin, 'a region as it was opened')
      if (random(3) === 0 && twin.length < most) {
        twin = Buffer.concat([twin, Buffer.alloc(64 * KiB)])
        region.grow(twin.length)
      }
      for (let left = 20; left > 0; left -= 1) {
        const data = bytes(5000)
        const at = random(twin.length - data.length)
        const ways: (() => unknown)[] = [
          () => (region.seek(at), region.write(data), region.persist(at, data.length)),
          () => region.copyFrom(data, at),
          () => region.fill(data[0]!, at, at + data.length),
          () => (region.view(Uint8Array, at, data.length).set(data), region.persistMany([[at, data.length]])),
          () => (region.seek(at), region.write(data), region.persistAsync(at, data.length)),
          () => (region.seek(at), region.write(data), region.msync(at, data.length)),
        ]
        await pick(ways)()
        data.copy(twin, at)
      }
      region.seek(0)
      isSame(region.read(), twin, 'a region')
      if (random(2) === 0) pmem.unmap(region)
      else region[Symbol.dispose]()
      if (twin.length < most) return
      rmSync(path)
      twin = Buffer.alloc(64 * KiB)
    }
  }

  /** Numbers that all actors count in: one each, and one that all of them do. */
  function counter() {
    const slot = { a: 1, b: 2, c: 3 }[actor]
    let count = 0
    return () => {
      const region: pmem.AnyRegion = pmem.mapFile(shared('counter'), { create: true, length: 4096, ...(random(2) === 0 && { shared: true }) })
      const numbers = region.view(Int32Array)
      for (let left = random(1000); left > 0; left -= 1) {
        Atomics.add(numbers, 0, 1)
        count = Atomics.add(numbers, slot, 1) === count ? count + 1 : wrong('a counter')
      }
      region.persist()
      region.close()
    }
  }

  function ownLog() {
    const path = own('log')
    let twin: Buffer[] = []
    const length = () => twin.reduce((sum, part) => sum + part.length, 0)
    return async () => {
      const log = existsSync(path) ? pmemlog.open(path, { engine: engine() }) : pmemlog.create(path, undefined, { engine: engine() })
      for (let left = 10; left > 0; left -= 1) {
        const parts = Array.from({ length: 1 + random(5) }, () => bytes(3000))
        const ways: (() => unknown)[] = [
          () => parts.forEach((part) => log.append(part)),
          () => log.appendMany(parts),
          () => log.appendv(parts),
          () => Promise.all(parts.map((part) => log.appendAsync(part))),
        ]
        await pick(ways)()
        twin.push(...parts)
      }
      const whole = Buffer.concat(twin)
      if (log.tell() !== whole.length) wrong('the length of a log')
      isSame(log.read(0, whole.length), whole, 'a log')
      isSame(Buffer.concat([...log.chunks(10_000)]), whole, "a log's chunks")
      if (length() > MiB) {
        log.rewind()
        twin = []
      }
      await close(log)
      if (random(10) === 0 && !pmemlog.check(path)) wrong('a log that is not sound')
    }
  }

  function ownBlocks() {
    const path = own('blocks')
    const size = 4096
    const twin = new Map<number, Buffer | undefined>()
    const read = (blocks: pmemblk.BlockArray, index: number) => {
      try {
        return blocks.read(index)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EIO') throw error
        return undefined
      }
    }
    const padded = (data: Buffer) => Buffer.concat([data, Buffer.alloc(size - data.length)])
    return async () => {
      const blocks = existsSync(path) ? pmemblk.open(path, size, { engine: engine() }) : pmemblk.create(path, size, undefined, { engine: engine() })
      for (let left = 10; left > 0; left -= 1) {
        const index = random(100)
        const data = bytes(size)
        const [first, second] = [padded(data), padded(bytes(size))]
        const ways: (() => Promise<void> | void)[] = [
          () => (blocks.write(data, index), void twin.set(index, first)),
          () => blocks.writeAsync(data, index).then(() => void twin.set(index, first)),
          () => (blocks.writeMany(index, Buffer.concat([first, second])), void twin.set(index, first).set(index + 1, second)),
          () => blocks.writeManyAsync(index, Buffer.concat([first, second])).then(() => void twin.set(index, first).set(index + 1, second)),
          () => (blocks.setZero(index), void twin.set(index, Buffer.alloc(size))),
          () => (blocks.setError(index), void twin.set(index, undefined)),
        ]
        await pick(ways)()
      }
      for (const [index, expected] of twin) {
        const found = read(blocks, index)
        if (found && expected) isSame(found, expected, `block ${index}`)
        else if (found !== expected) wrong(`the error of block ${index}`)
      }
      await close(blocks)
      if (random(20) === 0 && !pmemblk.check(path)) wrong('blocks that are not sound')
    }
  }

  /** A journal whose oldest records go. */
  function ownJournal() {
    const path = own('journal')
    const options = { segmentSize: 64 * KiB, maxBytes: 512 * KiB, dropUnread: true }
    let next = 0
    const texts = new Map<number, string>()
    return async () => {
      const events = journal.open(path, options)
      if (events.next !== next) wrong(`the next sequence of a journal: ${events.next} for ${next}`)
      for (let left = 10; left > 0; left -= 1) {
        const batch = Array.from({ length: 1 + random(5) }, () => `${random(1000)}`.repeat(1 + random(200)))
        const ways: (() => unknown)[] = [
          () => batch.forEach((record) => events.append(record, { durable: random(2) === 0 })),
          () => events.appendMany(batch),
          () => Promise.all(batch.map((record) => events.appendAsync(record))),
          () => events.appendManyAsync(batch),
          async () => {
            const stream = events.createWriteStream()
            for (const record of batch) stream.write(record)
            stream.end()
            await finished(stream)
          },
        ]
        await pick(ways)()
        for (const record of batch) texts.set(next++, record)
      }
      events.flush()
      const { first } = events
      for (const sequence of texts.keys()) if (sequence < first) texts.delete(sequence)
      let sequence = first
      for await (const record of random(2) === 0 ? events.read() : events.createReadStream({ to: next })) {
        if (record.sequence !== sequence || record.text() !== texts.get(sequence)) wrong(`record ${sequence} of a journal`)
        sequence += 1
      }
      if (sequence !== next) wrong(`a journal that ends at ${sequence}, not at ${next}`)
      // One that waits when the journal is closed.
      const waiting = random(2) === 0 ? events.follow({ from: next }).next() : undefined
      events.cursor('last').commit(next - 1)
      if (random(5) === 0) events.truncateBefore(next - 5)
      await close(events)
      await waiting?.catch(() => {})
      if (random(20) === 0 && !journal.check(path).sound) wrong('a journal that is not sound')
    }
  }

  interface Root {
    map: Map<string, unknown>
    set: Set<number>
    list: unknown[]
    record: Record<string, unknown>
  }

  function newRoot(): Root {
    return { map: new Map(), set: new Set(), list: [], record: {} }
  }

  /** Changes a root, live or plain, by chance: what both do is the same for the same number. */
  function change(root: Root, number: number): void {
    const within = chance(number)
    const value = () => pickFrom(within, [number, `${number}`.repeat(within(100)), [number, { deep: [number] }], { number }, null])
    for (let left = 1 + within(10); left > 0; left -= 1) {
      const key = `key ${within(100)}`
      pickFrom<() => unknown>(within, [
        () => root.map.set(key, value()),
        () => root.map.delete(key),
        () => root.set.add(within(100)),
        () => root.set.delete(within(100)),
        () => root.list.push(value()),
        () => root.list.splice(within(root.list.length + 1), within(3), value()),
        () => (root.record[key] = value()),
        () => delete root.record[key],
        () => root.list.length > 200 && root.list.splice(0, 150),
        () => within(20) === 0 && root.map.clear(),
      ])()
    }
  }

  function ownStore() {
    const path = own('store')
    let twin = newRoot()
    const isTwin = (root: unknown, expected: Root, what: string) => {
      const [found, wanted] = [formOf(objects.toPlain(root)), formOf(expected)]
      if (!isDeepStrictEqual(found, wanted)) wrong(`${what}: ${difference(found, wanted)}`)
    }
    return async () => {
      const store = objects.open(path, { root: newRoot, durability: pick(['commit', 'group'] as const) })
      isTwin(store.root, twin, 'a store as it was opened')
      let told = 0
      const unwatch = store.watch(store.root.map, () => (told += 1))
      const snapshot = random(3) === 0 ? store.snapshot() : undefined
      const before = structuredClone(twin)
      for (let left = 10; left > 0; left -= 1) {
        const number = random(2 ** 31)
        const ways: (() => unknown)[] = [
          () => store.transaction(() => change(store.root, number)),
          () => store.transactionAsync(() => change(store.root, number)),
          () => change(store.root, number),
          () => store.transaction(() => {
            change(store.root, number)
            try {
              store.transaction(() => {
                change(store.root, number + 1)
                throw new RangeError('back')
              })
            } catch (error) {
              if (!(error instanceof RangeError)) throw error
            }
          }),
        ]
        await pick(ways)()
        change(twin, number)
      }
      await store.flushed()
      isTwin(store.root, twin, 'a store')
      if (snapshot) isTwin(snapshot.root, before, 'a snapshot')
      if (told > 10 * 20) wrong('a watch that is told too often')
      if (random(5) === 0) await store.gc()
      if (random(10) === 0) {
        const copy = own(`copy-${random(2)}`)
        if (random(2) === 0) await store.backup(copy)
        else await store.compact(copy)
        const opened = objects.open<Root>(copy, { create: false, readonly: true })
        isTwin(opened.root, twin, 'a copy of a store')
        opened.close()
        rmSync(copy)
      }
      unwatch()
      snapshot?.close()
      await close(store)
      if (random(20) === 0 && !objects.check(path).sound) wrong('a store that is not sound')
      // It stays as small as it begins.
      if (random(50) > 0) return
      rmSync(path)
      twin = newRoot()
    }
  }

  /** A store that two threads change at once, each its own map, and together a number. */
  function sharedStore() {
    const path = shared('store')
    const twin = new Map<string, number>()
    const root = () => ({ a: new Map<string, number>(), b: new Map<string, number>(), both: 0 })
    return async () => {
      const store = objects.open(path, { root })
      const [mine, other] = actor === 'a' ? [store.root.a, store.root.b] : [store.root.b, store.root.a]
      const unwatch = store.watch(other, () => {})
      for (let left = 10; left > 0; left -= 1) {
        const key = `${random(100)}`
        const value = random(1000)
        await store.transactionAsync(() => {
          mine.set(key, value)
          store.root.both += 1
        })
        twin.set(key, value)
      }
      if (!isDeepStrictEqual(new Map([...mine].sort()), new Map([...twin].sort()))) wrong('a map of a shared store')
      unwatch()
      await close(store)
    }
  }

  function logWriter() {
    const path = shared('log')
    return async () => {
      const log = open(() => pmemlog.open(path, { create: true, engine: 'rust' }))
      if (!log) return
      const number = log.tell() / LINE
      for (let index = number; index < number + 200; index += 20) log.appendMany(Array.from({ length: 20 }, (_, more) => line(index + more)))
      const isFull = log.free < 200 * LINE
      await close(log)
      // Who has it open reads on in it.
      if (isFull) rmSync(path)
    }
  }

  function logReader() {
    const path = shared('log')
    return async () => {
      if (!existsSync(path)) return
      const log = open(() => pmemlog.open(path, { readonly: true }))
      if (!log) return
      const end = log.tell()
      let found = 0
      if (end > 0) {
        for await (const chunk of log.follow({ chunk: LINE * 100 })) {
          for (let at = 0; at + LINE <= chunk.length; at += LINE) {
            isSame(chunk.subarray(at, at + LINE), line((found + at) / LINE), 'a line of the shared log')
          }
          found += chunk.length
          if (found >= end) break
        }
      }
      await close(log)
    }
  }

  function journalWriter() {
    const path = shared('journal')
    return async () => {
      const events = journal.open(path, { segmentSize: 64 * KiB })
      for (let left = 10; left > 0; left -= 1) {
        const { next } = events
        const batch = Array.from({ length: 1 + random(10) }, (_, index) => text(next + index))
        if (random(2) === 0) events.appendMany(batch, { expected: next })
        else await events.appendManyAsync(batch)
      }
      const positions = events.cursors().map((name) => events.cursor(name).position)
      if (positions.length === 2) events.truncateBefore(Math.min(...positions))
      await close(events)
    }
  }

  function journalReader() {
    const path = shared('journal')
    let position = 0
    return async () => {
      const events = open(() => journal.open(path, { readonly: true }))
      if (!events) return
      const end = Math.min(events.next, position + 200)
      if (end > position) {
        for await (const record of events.follow({ from: position })) {
          if (record.sequence !== position || record.text() !== text(position)) wrong(`record ${record.sequence} of the shared journal at ${position}`)
          position += 1
          if (position === end) break
        }
        const cursor = events.cursor(actor)
        cursor.commit(position - 1)
        if (cursor.position !== position) wrong("a cursor's position")
      }
      await close(events)
    }
  }
}

function pickFrom<T>(within: (below: number) => number, items: readonly T[]): T {
  return items[within(items.length)]!
}

/** Opens what may not have been made yet, or be open in this process in another way. */
function open<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch (error) {
    if (!['ENOENT', 'EAGAIN'].includes((error as NodeJS.ErrnoException).code!)) throw error
    return undefined
  }
}
