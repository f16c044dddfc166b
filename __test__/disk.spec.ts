/** A full disk: a file system of one megabyte, where this user may mount one. */

import { existsSync, readFileSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { capabilities, pmem, pmemblk, pmemlog } from 'pmem'
import { onSmall, smallDisk } from './helpers/disks.js'
import { throws } from './helpers/errors.js'

const MEGABYTE = 2 ** 20

const full = onSmall('tmpfs')

/** The path of a file, which is not made, on a disk of one megabyte. */
function onSmallDisk(t: ExecutionContext): string {
  return join(smallDisk(t, 'tmpfs', 1), 'file')
}

full('a new file that does not fit is not made', (t) => {
  const path = onSmallDisk(t)
  for (const options of [{}, { exclusive: true }, { truncate: true }, { offset: MEGABYTE }]) {
    throws(t, { code: 'ENOSPC', syscall: 'pmem_map_file', path }, () =>
      pmem.mapFile(path, { create: true, length: 2 * MEGABYTE, ...options }))
    t.false(existsSync(path))
  }
  pmem.mapFile(path, { create: true, length: MEGABYTE / 2 }).close()
  t.is(statSync(path).size, MEGABYTE / 2)
})

full('a file that cannot grow stays as it was', (t) => {
  const path = onSmallDisk(t)
  writeFileSync(path, 'as it was')
  throws(t, { code: 'ENOSPC', path }, () => pmem.mapFile(path, { create: true, length: 2 * MEGABYTE }))
  t.is(readFileSync(path, 'utf8'), 'as it was')
})

full('a sparse file whose blocks do not fit stays as it was, also where it would be cut', (t) => {
  const path = onSmallDisk(t)
  writeFileSync(path, 'as it was')
  truncateSync(path, 4 * MEGABYTE)
  const { blocks } = statSync(path)
  throws(t, { code: 'ENOSPC', path }, () => pmem.mapFile(path, { create: true, length: 4 * MEGABYTE }))
  throws(t, { code: 'ENOSPC', path }, () => pmem.mapFile(path, { create: true, length: 2 * MEGABYTE, truncate: true }))
  t.is(statSync(path).size, 4 * MEGABYTE)
  t.is(statSync(path).blocks, blocks)
  const region = pmem.mapFile(path, { readonly: true })
  t.is(region.read(9).toString(), 'as it was')
  region.close()
})

full('a temporary file that does not fit', (t) => {
  const here = join(onSmallDisk(t), '..')
  throws(t, { code: 'ENOSPC', path: here }, () => pmem.mapFile(here, { tmpfile: true, length: 2 * MEGABYTE }))
  t.deepEqual(readdirSync(here), [])
  pmem.mapFile(here, { tmpfile: true, length: MEGABYTE / 2 }).close()
})

for (const engine of capabilities.engines as ('pmdk' | 'rust')[]) {
  full(`sparse pools may be larger than the disk: ${engine}`, (t) => {
    const path = onSmallDisk(t)
    const log = pmemlog.create(path, 64 * MEGABYTE, { engine, sparse: true })
    log.append('fits')
    t.is(log.engine, engine)
    log.close()
    const blocks = pmemblk.create(`${path}.blk`, 4096, 64 * MEGABYTE, { engine, sparse: true })
    t.is(blocks.engine, engine)
    blocks.write('fits', 1)
    blocks.close()
    t.true(pmemlog.check(path) && pmemblk.check(`${path}.blk`))
  })
}

full('a sparse file may be larger than the disk', (t) => {
  const path = onSmallDisk(t)
  const region = pmem.mapFile(path, { create: true, sparse: true, length: 4 * MEGABYTE })
  region.write('fits')
  region.persist(0, 4)
  region.close()
  t.is(statSync(path).size, 4 * MEGABYTE)
})
