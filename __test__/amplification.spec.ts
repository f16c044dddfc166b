/**
 * What reaches the device for each durable store, by the counters of a loop device of its own: about what was stored, also
 * where the file is in the page cache in large pieces.
 */

import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { journal, pmem, pmemblk, pmemlog } from 'pmem'
import { onSmall, smallDisk } from './helpers/disks.js'
import { isForcedPmem } from './helpers/pools.js'

const STORES = 128
const KiB = 1024

/** What happened to a file before it is opened, as shell commands with the file and a copy. */
const HISTORIES = {
  'just made': '',
  'copied by cp': 'cp "$1" "$2" && mv "$2" "$1"',
  'copied by cat': 'cat "$1" > "$2" && mv "$2" "$1"',
  'read before': 'sync -f "$1"; dd if="$1" iflag=nocache count=0 status=none; cat "$1" > /dev/null',
} as const

/** The bytes that a device wrote, the folder's. */
function written(folder: string): number {
  execFileSync('sync', ['--file-system', folder])
  const { dev } = statSync(folder)
  const device = `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`
  return Number(readFileSync(`/sys/dev/block/${device}/stat`, 'utf8').trim().split(/\s+/)[6]) * 512
}

/**
 * Makes a file, gives it its history, opens it and stores to it: at most so many bytes may be written for each store. Pools
 * may also be read by others while they are open.
 */
function bounded(
  t: ExecutionContext,
  { most, readMeanwhile: kinds, file: name = 'file' }: { most: number; readMeanwhile: boolean[]; file?: string },
  make: (path: string) => void,
  open: (path: string) => { store: (round: number) => void; close: () => void },
) {
  const folder = smallDisk(t, 'ext4', 100)
  for (const [history, command] of Object.entries(HISTORIES)) {
    const path = join(folder, name)
    make(path)
    execFileSync('sh', ['-c', command || ':', 'sh', path, `${path}-copy`])
    for (const readMeanwhile of kinds) {
      const { store, close } = open(path)
      if (readMeanwhile) readFileSync(path)
      store(0)
      const before = written(folder)
      for (let round = 1; round <= STORES; round += 1) store(round)
      const each = (written(folder) - before) / STORES
      close()
      t.true(each < most, `${history}${readMeanwhile ? ', read meanwhile' : ''}: ${each} bytes for each store`)
    }
    execFileSync('rm', [path])
  }
}

/** Counted as persistent memory, nothing is written by a store. */
const onDisk: typeof test.skip = isForcedPmem ? test.skip : onSmall('ext4')

onDisk('an append of 64 bytes writes two pages', (t) => {
  bounded(
    t,
    { most: 12 * KiB, readMeanwhile: [false, true] },
    (path) => pmemlog.create(path, 16 << 20, { engine: 'rust' }).close(),
    (path) => {
      const log = pmemlog.open(path, { engine: 'rust' })
      return { store: () => log.append(Buffer.alloc(64, 1)), close: () => log.close() }
    },
  )
})

onDisk("a journal's append of 64 bytes writes one or two pages", (t) => {
  bounded(
    t,
    { most: 9 * KiB, readMeanwhile: [false, true], file: 'journal/00000000000000000000.seg' },
    (path) => {
      rmSync(dirname(path), { recursive: true, force: true })
      const records = journal.open(dirname(path))
      records.appendMany(Array<Buffer>(2000).fill(Buffer.alloc(64, 1)))
      records.close()
    },
    (path) => {
      const records = journal.open(dirname(path))
      return { store: () => void records.append(Buffer.alloc(64, 1)), close: () => records.close() }
    },
  )
})

onDisk('a write of a block of 4 KiB writes five pages', (t) => {
  bounded(
    t,
    { most: 24 * KiB, readMeanwhile: [false, true] },
    (path) => {
      const blocks = pmemblk.create(path, 4096, 32 << 20, { engine: 'rust' })
      blocks.writeMany(0, Buffer.alloc(4096 * 4096, 1))
      blocks.close()
    },
    (path) => {
      const blocks = pmemblk.open(path, 0, { engine: 'rust' })
      return { store: (round) => blocks.write(Buffer.alloc(4096, round), (round * 997) % 4096), close: () => blocks.close() }
    },
  )
})

onDisk('a persist of 8 bytes in a region of random access writes a page', (t) => {
  const length = 16 << 20
  bounded(
    t,
    { most: 9 * KiB, readMeanwhile: [false] },
    (path) => {
      using region = pmem.mapFile(path, { length, create: true })
      region.fill(1)
    },
    (path) => {
      const region = pmem.map(path, length, { access: 'random' })
      const store = (round: number) => {
        const offset = ((round * 7919) % (length / 4096)) * 4096 + 8
        region.view(Float64Array, offset, 1)[0] = round
        region.persist(offset, 8)
      }
      return { store, close: () => region.close() }
    },
  )
})
