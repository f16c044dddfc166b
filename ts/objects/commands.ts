/** Commands that change containers (`docs/objects-format.md`). They are written to `out`. */

import type { Shape } from './shapes.js'
import { out } from './values.js'

export const COMMAND = {
  create: 1,
  record: 2,
  mapSet: 3,
  delete: 4,
  clear: 5,
  setAdd: 6,
  sortedSet: 7,
  sortedDelete: 8,
  arraySet: 9,
  arraySplice: 10,
  root: 11,
  version: 12,
  dictionary: 13,
  field: 14,
  extend: 15,
  shrink: 16,
} as const

/** Begins a command; its operands follow. */
export function startCommand(command: (typeof COMMAND)[keyof typeof COMMAND], id: number): void {
  out.byte(command)
  out.id(id)
}

/** Begins a splice; the values follow. */
export function startSplice(id: number, start: number, deleted: number, inserted: number): void {
  startCommand(COMMAND.arraySplice, id)
  out.uint32(start)
  out.uint32(deleted)
  out.uint32(inserted)
}

/** Writes a record; `write` writes its values. */
export function writeRecord(id: number, shape: Shape, write: () => void): void {
  startCommand(COMMAND.record, id)
  const start = out.length
  out.uint32(0)
  out.uint32(shape.id)
  write()
  out.setUint32(start, out.length - start - 4)
}
