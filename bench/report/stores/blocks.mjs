import { join } from 'node:path'
import { pmemblk } from 'pmem'
import { SIZE, record } from '../data.mjs'

export function open(folder) {
  const blocks = pmemblk.open(join(folder, 'blocks'), 512, { create: true })
  return {
    overwrite: (number, version) => blocks.write(record(number + version), number),
    overwritten: (number) => blocks.read(number).subarray(0, SIZE),
    close: () => blocks.close(),
  }
}
