// Logs, by both engines. bench/c/log.c is the same with libpmemlog.
import { join } from 'node:path'
import { pmemlog } from 'pmem'
import type { Operation, Suite } from '../suite.mjs'

const SIZE = 16 << 20
const RECORD = 64
const PARTS = 64
const RECORDS = 100_000

export const suite: Suite = { name: 'log', disk: true, open }

function open(folder: string): Operation[] {
  return (['pmdk', 'rust'] as const).flatMap((engine) => operations(folder, engine))
}

function operations(folder: string, engine: 'pmdk' | 'rust'): Operation[] {
  const log = pmemlog.create(join(folder, `js-log-${engine}`), SIZE, { engine })
  // The first write to a page costs a fault, and on ext4 a journal commit.
  log.append(new Uint8Array(log.nbyte()))

  const records = pmemlog.create(join(folder, `js-records-${engine}`), SIZE, { engine })
  records.append(new Uint8Array(RECORDS * RECORD))

  const record = Buffer.alloc(RECORD, 2)
  const parts = Array<Buffer>(PARTS).fill(record)

  let left = 0
  /** Empties the log where it is full: after thousands of appends, so that it does not count. */
  const reserve = (length: number): void => {
    if (left < length) {
      log.rewind()
      left = log.nbyte()
    }
    left -= length
  }
  const append = (): void => {
    reserve(RECORD)
    log.append(record)
  }

  let sum = 0
  /** A look at each record. */
  const touch = (chunk: Buffer): void => {
    for (let at = 0; at < chunk.length; at += RECORD) sum += chunk[at]!
  }

  const both: Operation[] = [
    { name: 'append 64 B', goal: 1.3, disk: 'also', run: append },
    {
      name: 'appendv 64 x 64 B',
      run: () => {
        reserve(PARTS * RECORD)
        log.appendv(parts)
      },
    },
    {
      name: 'walk 100,000 x 64 B',
      batch: 4,
      run: () => {
        records.walk(touch)
        return sum
      },
    },
    {
      name: 'walk 100,000 x 64 B by 64 B',
      batch: 4,
      run: () => {
        records.walk(touch, RECORD)
        return sum
      },
    },
  ]
  const named = both.map((operation) => ({ ...operation, name: `${operation.name}, ${engine}`, against: operation.name }))
  if (engine === 'pmdk') return named
  // An append takes at least one sync of a page.
  return [...named, { name: 'append 64 B, rust : page in C', against: 'page', goal: 2.2, disk: 'only', run: append }]
}
