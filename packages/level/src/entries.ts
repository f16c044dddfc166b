/** The entries of a database, as its store has them. */

import type { objects } from 'pmem'

/** Keys are bytes, a character for each, since strings in a sorted map have the order of their characters. */
export type Entries = objects.SortedMap<string, Uint8Array>

/** What a store of this package begins with. */
export interface Root {
  level: Entries
}

/** A key as the store has it. */
export const toStored = (key: Buffer): string => key.toString('latin1')

/** A key as Level has it. */
export const fromStored = (key: string): Buffer => Buffer.from(key, 'latin1')

/** A value as Level has it: the same bytes, which are nobody else's. */
export const toBuffer = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer => Buffer.from(buffer, byteOffset, byteLength)

/** A part of a database, as Level's methods get it. */
export interface Range {
  gt?: Buffer
  gte?: Buffer
  lt?: Buffer
  lte?: Buffer
  reverse: boolean
  limit: number
}

/** The same part of a sorted map. Of two bounds at one end the inclusive one counts, as it does for all of Level. */
export function toRange({ gt, gte, lt, lte, reverse }: Range): objects.RangeOptions<string> {
  return { ...low(gte, gt), ...high(lte, lt), reverse }
}

function low(gte: Buffer | undefined, gt: Buffer | undefined): objects.RangeOptions<string> {
  if (gte !== undefined) return { from: toStored(gte) }
  return gt === undefined ? {} : { after: toStored(gt) }
}

function high(lte: Buffer | undefined, lt: Buffer | undefined): objects.RangeOptions<string> {
  if (lte !== undefined) return { through: toStored(lte) }
  return lt === undefined ? {} : { to: toStored(lt) }
}

/** Whether a key lies in a range. */
export function isWithin(key: string, { from, after, to, through }: objects.RangeOptions<string>): boolean {
  return !((from !== undefined && key < from) || (after !== undefined && key <= after) || (to !== undefined && key >= to) || (through !== undefined && key > through))
}
