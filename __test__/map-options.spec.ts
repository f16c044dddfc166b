/** `access`, `populate`, `lock`, `copyOnWrite` and `advise`. */

import { chmodSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import test from 'ava'
import { capabilities, pmem } from 'pmem'
import { file, othersReach } from './helpers/files.js'
import { linux } from './helpers/linux.js'
import { ended, root } from './helpers/programs.js'

const SIZE = Math.max(65_536, 2 * capabilities.pageSize)
const memories = (capabilities.wasmMemory ? ['auto', 'wasm'] : ['auto']) as ('auto' | 'wasm')[]

/** The code of what `act` throws; undefined for nothing. */
function codeOf(act: () => unknown): string | undefined {
  try {
    act()
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  }
}

/** What the system says of a mapping of a file: flags such as `rr`, and how much of it is in memory and locked, in kB. */
function told(path: string): { flags: string[]; resident: number; locked: number }[] {
  const mappings = readFileSync('/proc/self/smaps', 'utf8').split(/\n(?=[\da-f]+-[\da-f]+ )/)
  const number = (text: string, name: string) => Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(text)?.[1])
  return mappings.filter((mapping) => mapping.split('\n', 1)[0]?.endsWith(path)).map((mapping) => ({
    flags: (/^VmFlags: (.*)$/m.exec(mapping)?.[1] ?? '').trim().split(' '),
    resident: number(mapping, 'Rss'),
    locked: number(mapping, 'Locked'),
  }))
}

for (const [access, flag] of [['normal', undefined], ['random', 'rr'], ['sequential', 'sr']] as const) {
  linux(`access: ${access}`, (t) => {
    const path = file(t, SIZE)
    const region = pmem.map(path, undefined, { access })
    const flags = told(path).flatMap(({ flags }) => flags)
    for (const known of ['rr', 'sr']) t.is(flags.includes(known), known === flag, known)
    region.advise(access === 'normal' ? 'random' : 'normal')
    t.is(told(path).flatMap(({ flags }) => flags).includes('rr'), access === 'normal')
    region.close()
  })
}

linux('populate brings all of a region into memory, of a private one without copies', (t) => {
  for (const options of [{}, { readonly: true }, { copyOnWrite: true }]) {
    const path = file(t, SIZE)
    const region = pmem.map(path, undefined, { ...options, populate: true })
    t.is(told(path)[0]?.resident, SIZE / 1024)
    t.is(region.read().length, SIZE)
    region.close()
  }
  const region = pmem.mapFile(file(t, 0), { length: SIZE, create: true, populate: true })
  t.is(region.read().length, SIZE)
  region.close()
})

linux('lock keeps a region in memory, or says which limit is in the way', async (t) => {
  const path = file(t, SIZE)
  const program = `
    const { pmem } = require(process.argv[1])
    const path = process.argv[2]
    for (const options of [{ lock: true }, { lock: true, readonly: true, populate: true }]) {
      try {
        const region = pmem.map(path, undefined, options)
        const [mapping] = require('node:fs').readFileSync('/proc/self/smaps', 'utf8').split(/\\n(?=[\\da-f]+-[\\da-f]+ )/)
          .filter((mapping) => mapping.split('\\n', 1)[0].endsWith(path))
        console.log(/^VmFlags:.* lo\\b/m.test(mapping))
        region.close()
      } catch ({ code, message }) {
        console.log(code, message)
      }
    }
  `
  for (const [limit, expected] of [['unlimited', /^true\ntrue\n$/], ['0', /^(EPERM|ENOMEM|EAGAIN) .*RLIMIT_MEMLOCK/]] as const) {
    const how = process.getuid?.() === 0 && limit === '0' ? ['-c', 'ulimit -l 0; exec setpriv --bounding-set -all --inh-caps -all --reuid 65534 --clear-groups "$0" "$@"'] : ['-c', `ulimit -l ${limit} || exit 77; exec "$0" "$@"`]
    if (limit === '0' && !othersReach(dirname(path), `${root}/dist`)) {
      t.pass('no other user reaches the files of this test')
      continue
    }
    chmodSync(path, 0o666)
    chmodSync(`${path}/..`.replace(/\/file\/\.\.$/, ''), 0o755)
    const { status, stdout, stderr } = await ended('sh', [...how, process.execPath, '-e', program, root, path])
    if (status === 77) {
      t.pass('this user may not raise the limit')
      continue
    }
    t.is(status, 0, stderr)
    t.regex(stdout, expected)
  }
})

for (const memory of memories) {
  test(`copyOnWrite: what is written stays in the region, memory ${memory}`, async (t) => {
    const path = file(t, Buffer.alloc(SIZE, 'as it was '))
    chmodSync(path, 0o444)
    const before = readFileSync(path)
    const region = pmem.map(path, undefined, { copyOnWrite: true, memory })
    region.write('written')
    region.copyFrom('copied', 10)
    region.fill(0x66, 20, 26)
    region.view(Uint8Array, 30, 1)[0] = 0x76
    region.copyFrom('after', 40)
    t.is(Buffer.from(region.view(Uint8Array, 0, 45)).toString(), 'writtenas copiedwas ffffffwas vs it was after')
    region.seek(0)
    t.is(region.read(9).toString(), 'writtenas')
    const refused = [
      () => region.persist(),
      () => region.flush(),
      () => region.msync(),
      () => region.persistMany([[0, 1]]),
      () => region.copyFrom('x', 0, { durable: true }),
      () => region.fill(1, 0, 1, { durable: true }),
    ]
    for (const act of refused) t.throws(act, { code: 'EACCES', message: /copy-on-write/ })
    await t.throwsAsync(region.persistAsync(), { code: 'EACCES', message: /copy-on-write/ })
    if (process.platform === 'linux') {
      region.advise('dontneed')
      t.is(Buffer.from(region.view(Uint8Array, 0, 9)).toString(), 'as it was')
    }
    region[Symbol.dispose]()
    t.true(region.closed)
    t.deepEqual(readFileSync(path), before)
  })
}

test('a copy-on-write region of mapFile', (t) => {
  const path = file(t, SIZE)
  const region = pmem.mapFile(path, { copyOnWrite: true })
  region.write('x')
  region.close()
  t.deepEqual(readFileSync(path), Buffer.alloc(SIZE))
})

test('advice changes nothing in a region over the file', (t) => {
  for (const memory of memories) {
    const region = pmem.map(file(t, Buffer.alloc(SIZE, 7)), undefined, { memory })
    region.fill(8, 0, 10, { durable: false })
    for (const advice of ['normal', 'random', 'sequential', 'willneed', 'dontneed'] as const) {
      region.advise(advice)
      region.advise(advice, 5)
      region.advise(advice, 5, 100)
      region.advise(advice, SIZE, 0)
    }
    t.deepEqual([...region.read(12)], [...Buffer.alloc(10, 8), 7, 7])
    region.close()
    t.is(codeOf(() => region.advise('normal')), 'ERR_PMEM_CLOSED')
  }
})

test('wrong arguments', (t) => {
  const path = file(t, SIZE)
  const map = (options: object) => codeOf(() => pmem.map(path, undefined, options).close())
  t.is(map({ access: 'often' }), 'ERR_INVALID_ARG_VALUE')
  for (const name of ['access', 'copyOnWrite', 'populate', 'lock']) t.is(map({ [name]: 1 }), 'ERR_INVALID_ARG_TYPE', name)
  t.is(map({ copyOnWrite: true, readonly: true }), 'ERR_INVALID_ARG_VALUE')
  t.is(codeOf(() => pmem.mapFile(path, { copyOnWrite: true, create: true, length: SIZE })), 'ERR_INVALID_ARG_VALUE')
  const region = pmem.map(path)
  t.is(codeOf(() => region.advise('often' as 'random')), 'ERR_INVALID_ARG_VALUE')
  t.is(codeOf(() => region.advise(7 as unknown as 'random')), 'ERR_INVALID_ARG_TYPE')
  t.is(codeOf(() => region.advise('random', SIZE + 1)), 'ERR_OUT_OF_RANGE')
  t.is(codeOf(() => region.advise('random', 1, SIZE)), 'ERR_OUT_OF_RANGE')
  region.close()
})
