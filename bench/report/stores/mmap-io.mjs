import { ftruncateSync, openSync } from 'node:fs'
import { join } from 'node:path'
import mmap from '@riaskov/mmap-io'
import { SIZE, record } from '../data.mjs'

const LENGTH = 1 << 20

export function open(folder) {
  const file = openSync(join(folder, 'mapped'), 'w+')
  ftruncateSync(file, LENGTH)
  const bytes = mmap.map(LENGTH, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, file)
  const place = (number) => (number * SIZE) % LENGTH
  return {
    overwrite(number, version) {
      const at = place(number)
      bytes.set(record(number + version), at)
      // It syncs whole pages.
      const page = at - (at % mmap.PAGESIZE)
      mmap.sync(bytes, page, mmap.PAGESIZE, true, false)
    },
    overwritten: (number) => bytes.subarray(place(number), place(number) + SIZE),
    close() {},
  }
}
