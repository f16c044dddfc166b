import { join } from 'node:path'
import { pmem } from 'pmem'
import { SIZE, record } from '../data.mjs'

const LENGTH = 1 << 20

export function open(folder) {
  const region = pmem.mapFile(join(folder, 'region'), { create: true, length: LENGTH, access: 'random' })
  const bytes = region.view(Uint8Array)
  const place = (number) => (number * SIZE) % LENGTH
  return {
    overwrite(number, version) {
      bytes.set(record(number + version), place(number))
      region.persist(place(number), SIZE)
    },
    overwritten: (number) => Buffer.from(bytes.subarray(place(number), place(number) + SIZE)),
    close: () => region.close(),
  }
}
