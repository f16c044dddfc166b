/** Files of huge pages, of which one is lost as a whole. */

import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { folder } from './helpers/files.js'
import { linux } from './helpers/linux.js'
import { ended, root } from './helpers/programs.js'

/** The folder of a new file system, or why there is none. */
function mounted(t: ExecutionContext, type: string, options: string): { path: string } | { reason: string } {
  const path = join(folder(t), 'huge')
  mkdirSync(path)
  try {
    execFileSync('mount', ['-t', type, '-o', options, type, path], { stdio: 'pipe' })
  } catch (error) {
    return { reason: `${type} cannot be mounted: ${(error as Error).message}` }
  }
  t.teardown(() => execFileSync('umount', [path]))
  return { path }
}

/** Maps a file of 8 MiB, of which the last 4 go, and uses it. Another region is of an odd length. */
const program = `
  const { pmem } = require(process.argv[1])
  const { readFileSync, truncateSync } = require('node:fs')
  const path = process.argv[2] + '/file'
  const MiB = 2 ** 20
  const mapped = () => readFileSync('/proc/self/maps', 'utf8').split('\\n').filter((line) => line.includes(path)).length
  const codeOf = (act) => {
    try {
      act()
      return 'done'
    } catch ({ code }) {
      return code
    }
  }
  pmem.mapFile(path, { length: 8 * MiB, create: true }).close()
  const odd = pmem.map(path, 3 * MiB + 1)
  odd.fill(1)
  odd.close()
  const left = mapped()
  const region = pmem.map(path)
  const view = region.view(Uint8Array)
  view.fill(2)
  const before = codeOf(() => region.persist())
  truncateSync(path, 4 * MiB)
  const seen = [view[0], view[4 * MiB - 1], view[5 * MiB], view[8 * MiB - 1]]
  view[5 * MiB] = 3
  seen.push(view[5 * MiB])
  const after = codeOf(() => region.persist())
  region.close()
  console.log(JSON.stringify({ left, before, seen, after, end: mapped() }))
`

async function losesPages(t: ExecutionContext, path: string): Promise<void> {
  const { status, stdout, stderr } = await ended(process.execPath, ['-e', program, root, path])
  t.is(status, 0, stderr)
  t.deepEqual(JSON.parse(stdout), { left: 0, before: 'done', seen: [2, 2, 0, 0, 3], after: 'ERR_PMEM_FAULT', end: 0 })
}

/** Huge pages that are not in use, or may be had beyond those set aside, of 2 MiB. */
function available(): number {
  const where = '/sys/kernel/mm/hugepages/hugepages-2048kB'
  const count = (name: string) => Number(readFileSync(join(where, name), 'utf8'))
  const sizes = '/sys/kernel/mm/hugepages'
  try {
    return readdirSync(sizes).length === 0 ? 0 : count('free_hugepages') - count('resv_hugepages') + count('nr_overcommit_hugepages')
  } catch {
    return 0
  }
}

linux('a lost page of a file on hugetlbfs is a fault, and the process lives', async (t) => {
  if (available() < 8) return void t.pass('the system has no huge pages to spare: see vm.nr_hugepages')
  const disk = mounted(t, 'hugetlbfs', 'pagesize=2M')
  if ('reason' in disk) return void t.pass(disk.reason)
  await losesPages(t, disk.path)
})

linux('a lost page of a file on tmpfs with huge pages is a fault, and the process lives', async (t) => {
  const disk = mounted(t, 'tmpfs', 'size=64m,huge=always')
  if ('reason' in disk) return void t.pass(disk.reason)
  await losesPages(t, disk.path)
})
