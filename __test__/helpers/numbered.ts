/** Each module as something in which numbered steps are written, and their numbers found again. */

import { capabilities, journal, objects, pmem, pmemblk, pmemlog } from 'pmem'

export const KEYS = 5

/** What there is to use, by which engine. */
export const MODULES = [
  ['region', 'none'],
  ...capabilities.engines.flatMap((engine) => [['log', engine], ['blocks', engine]] as const),
  ['journal', 'none'],
  ['objects', 'none'],
] as const

/** What is used, open. A step's number is all that it writes: at its key, or as a record. */
export interface Used {
  step(number: number): unknown
  /** The numbers that are there: of each key, 0 for none, or of all records. */
  numbers(): number[]
  close(): unknown
}

export interface Module {
  /** Whether steps are records, all of which stay. */
  readonly records: boolean
  open(path: string): Used
  isSound(path: string): boolean
}

const padded = (number: number) => `${number}:`.padEnd(3000, '.')
const numberOf = (text: string) => Number.parseInt(text, 10) || 0

/** All of them, pools with this engine. */
export function modulesOf(engine: string): Record<string, Module> {
  return {
    region: {
      records: false,
      open(path) {
        const region = pmem.mapFile(path, { create: true, length: 64 << 10 })
        return {
          async step(number) {
            const at = (number % KEYS) * 8192
            region.seek(at)
            region.write(padded(number))
            if (number % 2 === 0) region.persist(at, 3000)
            else await region.persistAsync(at, 3000)
          },
          numbers: () => Array.from({ length: KEYS }, (_, key) => (region.seek(key * 8192), numberOf(region.read(10).toString('latin1')))),
          close: () => region.close(),
        }
      },
      isSound: () => true,
    },
    log: {
      records: true,
      open(path) {
        const log = pmemlog.open(path, { create: true, engine: engine as 'rust' })
        return {
          step: (number) => (number % 2 === 0 ? log.append(padded(number)) : log.appendAsync(padded(number))),
          numbers: () => Array.from(log.chunks(3000), (chunk) => numberOf(chunk.toString('latin1'))),
          close: () => log.close(),
        }
      },
      isSound: (path) => pmemlog.check(path),
    },
    blocks: {
      records: false,
      open(path) {
        const blocks = pmemblk.open(path, 4096, { create: true, engine: engine as 'rust' })
        return {
          step: (number) => (number % 2 === 0 ? blocks.write(padded(number), number % KEYS) : blocks.writeAsync(padded(number), number % KEYS)),
          numbers: () => Array.from({ length: KEYS }, (_, key) => numberOf(blocks.readText(key))),
          close: () => blocks.close(),
        }
      },
      isSound: (path) => pmemblk.check(path),
    },
    journal: {
      records: true,
      open(path) {
        const events = journal.open(path, { segmentSize: 16 << 10 })
        return {
          step: (number) => (number % 2 === 0 ? events.append(padded(number)) : events.appendAsync(padded(number))),
          numbers: () => Array.from(events, (record) => numberOf(record.text())),
          close: () => events.close(),
        }
      },
      isSound: (path) => journal.check(path).sound,
    },
    objects: {
      records: false,
      open(path) {
        const store = objects.open(path, { root: () => new Map<number, string>() })
        return {
          step: (number) => {
            const change = () => void store.root.set(number % KEYS, padded(number))
            return number % 2 === 0 ? store.transaction(change) : store.transactionAsync(change)
          },
          numbers: () => Array.from({ length: KEYS }, (_, key) => numberOf(store.root.get(key) ?? '')),
          close: () => store.close(),
        }
      },
      isSound: (path) => objects.check(path).sound,
    },
  }
}

/** That all acknowledged steps are there, and beside them none but those that failed: what is wrong otherwise. */
export function compare({ records }: Module, numbers: readonly number[], acknowledged: readonly number[], failed: readonly number[]): string | undefined {
  const told = `${numbers} where ${acknowledged} are acknowledged, ${failed} failed`
  if (records) {
    const isThere = acknowledged.every((number) => numbers.includes(number))
    const isOrdered = numbers.every((number, index) => index === 0 || number > numbers[index - 1]!)
    const isKnown = numbers.every((number) => acknowledged.includes(number) || failed.includes(number))
    return isThere && isOrdered && isKnown ? undefined : told
  }
  const isRight = numbers.every((number, key) => {
    const last = acknowledged.findLast((step) => step % KEYS === key) ?? 0
    return number === last || (failed.includes(number) && number % KEYS === key && number > last)
  })
  return isRight ? undefined : told
}
