// What is stored: other bytes each time, so that no store and no disk can take them for the same.
import { randomBytes } from 'node:crypto'

/** How many bytes a record has: larger ones where a large store is to be made. */
export const SIZE = Number(process.env.PMEM_BENCH_SIZE ?? 64)

const pool = randomBytes(1 << 20)

/** Record `number`: its number, and bytes by chance that are the same whenever this process asks for it. */
export function record(number) {
  const bytes = Buffer.allocUnsafe(SIZE)
  pool.copy(bytes, 0, (number * 977) % (pool.length - SIZE))
  bytes.writeDoubleLE(number, 0)
  return bytes
}

/** So many records in a row. */
export const records = (from, count) => Array.from({ length: count }, (_, index) => record(from + index))

/** A value as programs keep it, of some hundred bytes of JSON; `number` is its key, `version` differs with each time that it is set. */
export function entry(number, version) {
  const text = record(number + version).toString('latin1', 8, 40).replaceAll(/[^ -~]/g, '.')
  return { id: number, name: `user ${number}`, visits: version, text }
}

/** The key of a value. */
export const key = (number) => `user:${number}`
