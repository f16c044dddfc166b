/** What work.mjs writes and verify.mjs looks for: bytes in a slot of a region, a record of a log, a block, a store. */
export const SLOT = 4096
export const SLOTS = 4096
export const RECORD = 200
export const BLOCK = 512
export const BLOCKS = 1000
export const KEYS = 50
export const LIST = 100

/** The contents of a change, which its number makes. */
export function bytesOf(number, length) {
  const bytes = Buffer.alloc(length, (number * 31 + 1) & 0xff)
  bytes.writeUInt32LE(number, 0)
  bytes.writeUInt32LE(number, length - 4)
  return bytes
}

export function textOf(number) {
  return `${number} ${'.'.repeat((number * 7919) % 300)}`
}

/** What a store holds after the changes before `count`. */
export function storeAfter(count) {
  const map = new Map()
  for (let number = 0; number < count; number += 1) {
    map.set(number % KEYS, textOf(number))
    if (number % 5 === 4) map.delete((number * 7) % KEYS)
  }
  return { map, list: Array.from({ length: Math.min(count, LIST) }, (_, index) => Math.max(0, count - LIST) + index) }
}
