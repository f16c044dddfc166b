/** Files that are larger than memory and swap. */

import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { pmem } from 'pmem'
import { folder } from './helpers/files.js'
import { linux } from './helpers/linux.js'
import { ended, root } from './helpers/programs.js'

const SIZE = 2 ** 40

function large(path: string): string {
  writeFileSync(path, 'start')
  truncateSync(path, SIZE)
  return path
}

const posix = process.platform === 'win32' ? test.skip : test

for (const readonly of [true, false]) {
  posix(`a region of 1 TiB is mapped and read: ${readonly ? 'readonly' : 'for writing'}`, (t) => {
    const path = large(join(folder(t), 'large'))
    const region = pmem.map(path, undefined, { readonly })
    t.is(region.byteLength, SIZE)
    t.is(region.read(6).toString(), 'start\0')
    region.seek(SIZE - 3)
    t.deepEqual([...region.read()], [0, 0, 0])
    region.close()
  })
}

linux('a limit of the process that forbids a readonly mapping is named', async (t) => {
  const path = large(join(folder(t), 'large'))
  const program = `
    const { pmem } = require(process.argv[1])
    try { pmem.map(process.argv[2], undefined, { readonly: true }) } catch ({ code, message }) { console.log(code, message) }
    pmem.map(process.argv[2]).close()
  `
  const limited = ['-c', 'ulimit -d 8000000; exec "$0" "$@"', process.execPath, '-e', program, root, path]
  const { status, stdout, stderr } = await ended('sh', limited)
  t.is(status, 0, stderr)
  t.regex(stdout, /^ENOMEM .*RLIMIT_DATA/)
  t.true(stdout.includes(path))
})
