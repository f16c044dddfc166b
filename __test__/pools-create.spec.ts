import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { capabilities, pmem, pmemblk, pmemlog } from 'pmem'
import {
  type EngineName,
  KiB,
  type Kind,
  MiB,
  contents,
  eachEngine,
  eachKind,
  engines,
  file,
  folder,
  isError,
  kinds,
  nothings,
  isForcedPmem,
  onTmpfs,
  pattern,
  poke,
  refuses,
  sameBytes,
  skipped,
  testFolder,
} from './helpers/pools.js'
import { startProcess } from './helpers/pools-peers.js'

/** That making a pool is refused, and nothing changes in its folder. */
function refusesIn(t: ExecutionContext, where: string, code: string, make: () => unknown, syscall?: string): void {
  const before = readdirSync(where, { recursive: true })
  refuses(t, code, make, syscall === undefined ? {} : { syscall })
  t.deepEqual(readdirSync(where, { recursive: true }), before)
}

/** That a pool is new and works. */
function works(t: ExecutionContext, kind: Kind, path: string | Buffer | URL, engine: EngineName): void {
  t.true(kind.check(path))
  using pool = kind.open(path, { engine })
  t.is(pool.marks(), 0)
  pool.mark()
  t.is(pool.marks(), 1)
}

test('the smallest pools and blocks are those of the NVM Library', (t) => {
  t.is(pmemlog.MIN_POOL, 2_097_152)
  t.is(pmemblk.MIN_POOL, 16_785_408)
  t.is(pmemblk.MIN_BLK, 512)
})

eachKind('what exists is refused and left as it is', (t, kind, engine) => {
  const where = folder(t)
  const path = join(where, 'taken')
  for (const taken of [Buffer.alloc(0), Buffer.from('taken'), Buffer.alloc(kind.minPool)]) {
    writeFileSync(path, taken)
    refuses(t, 'EEXIST', () => kind.create(path, kind.minPool, { engine }), { path, syscall: `pmem${kind.name}_create` })
    sameBytes(t, readFileSync(path), taken)
  }
  kind.create(join(where, 'pool'), kind.minPool, { engine }).close()
  const pool = readFileSync(join(where, 'pool'))
  refusesIn(t, where, 'EEXIST', () => kind.create(join(where, 'pool'), kind.minPool, { engine }))
  sameBytes(t, readFileSync(join(where, 'pool')), pool)
  mkdirSync(join(where, 'folder'))
  refusesIn(t, where, 'EEXIST', () => kind.create(join(where, 'folder'), kind.minPool, { engine }))
  symlinkSync(join(where, 'nothing'), join(where, 'link'))
  refusesIn(t, where, 'EEXIST', () => kind.create(join(where, 'link'), kind.minPool, { engine }))
})

eachKind('a size that is none, or too small, is refused', (t, kind, engine) => {
  const where = folder(t)
  const path = join(where, 'pool')
  for (const size of [1, 4096, kind.minPool - 4096, kind.minPool - 1, 1n, BigInt(kind.minPool - 1), -1, -1n, 0.5, NaN, Infinity, 2 ** 53, 2n ** 64n]) {
    refusesIn(t, where, 'ERR_OUT_OF_RANGE', () => kind.create(path, size, { engine }))
  }
  for (const wrong of ['2097152', ...nothings.filter((value) => value !== undefined)] as never[]) {
    refusesIn(t, where, 'ERR_INVALID_ARG_TYPE', () => kind.create(path, wrong, { engine }))
  }
  kind.create(path, BigInt(kind.minPool), { engine }).close()
  t.is(statSync(path).size, kind.minPool)
  works(t, kind, path, engine)
})

eachKind('a size that no disk has fails and leaves no file', (t, kind, engine) => {
  const where = folder(t)
  for (const size of [2 ** 45, 2 ** 53 - 1]) {
    for (const sparse of [false, true]) {
      // A sparse file of 32 TiB is possible on some file systems, and mapping it too.
      if (sparse && size === 2 ** 45) continue
      const error = t.throws<NodeJS.ErrnoException>(() => kind.create(join(where, 'pool'), size, { engine, sparse }))
      t.regex(error.code ?? '', /^(EFBIG|ENOSPC|ENOMEM|EINVAL)$/)
      isError(t, error, error.code!, { path: join(where, 'pool'), syscall: `pmem${kind.name}_create` })
      t.deepEqual(readdirSync(where), [])
    }
  }
})

eachKind('a folder that is missing is refused', (t, kind, engine) => {
  const where = folder(t)
  writeFileSync(join(where, 'file'), '')
  const syscall = `pmem${kind.name}_create`
  refusesIn(t, where, 'ENOENT', () => kind.create(join(where, 'missing/pool'), kind.minPool, { engine }), syscall)
  refusesIn(t, where, 'ENOTDIR', () => kind.create(join(where, 'file/pool'), kind.minPool, { engine }), syscall)
  refusesIn(t, where, 'ENAMETOOLONG', () => kind.create(join(where, 'n'.repeat(300)), kind.minPool, { engine }), syscall)
  // Not the default size either.
  refusesIn(t, where, 'ENOENT', () => kind.create(join(where, 'missing/pool'), undefined, { engine }), syscall)
})

const mayMount = process.getuid?.() === 0 && process.platform === 'linux'

if (mayMount) {
  eachKind('a file system that is full is ENOSPC, and no file is left', (t, kind, engine) => {
    const where = folder(t)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', where])
    t.teardown(() => execFileSync('umount', [where]))
    refusesIn(t, where, 'ENOSPC', () => kind.create(join(where, 'pool'), kind.minPool, { engine }), `pmem${kind.name}_create`)
    const given = join(where, 'given')
    writeFileSync(given, '')
    truncateSync(given, kind.minPool)
    try {
      kind.create(given, 0, { engine }).close()
    } catch (error) {
      isError(t, error, 'ENOSPC', { path: given })
    }
    t.deepEqual(readdirSync(where), ['given'])
    t.is(statSync(given).size, kind.minPool)
    t.false(existsSync(join(where, 'pool')))
  })
} else {
  skipped('a file system that is full is ENOSPC, and no file is left', 'only root can mount one')
}

eachKind('a new pool has the mode that it is given, less the umask', (t, kind, engine) => {
  const where = folder(t)
  const modes: [number, number | undefined, number][] = [
    [0o022, undefined, 0o644],
    [0o000, undefined, 0o666],
    [0o027, 0o777, 0o750],
    [0o077, 0o666, 0o600],
    [0o002, 0o640, 0o640],
    [0o022, 0o600, 0o600],
  ]
  for (const [index, [umask, mode, expected]] of modes.entries()) {
    const path = join(where, String(index))
    const before = process.umask(umask)
    try {
      kind.create(path, kind.minPool, mode === undefined ? { engine } : { engine, mode }).close()
    } finally {
      process.umask(before)
    }
    t.is(statSync(path).mode & 0o7777, expected, `mode ${mode?.toString(8)} under ${umask.toString(8)}`)
    works(t, kind, path, engine)
  }
})

eachKind('options that are none are refused', (t, kind, engine) => {
  const where = folder(t)
  const create = (options: unknown) => () => kind.create(join(where, 'pool'), kind.minPool, options as never)
  for (const wrong of [null, 5, 'pmdk', true, Symbol('s')]) refusesIn(t, where, 'ERR_INVALID_ARG_TYPE', create(wrong))
  for (const wrong of ['0o600', ...nothings.filter((value) => value !== undefined)]) {
    refusesIn(t, where, 'ERR_INVALID_ARG_TYPE', create({ engine, mode: wrong }))
  }
  for (const wrong of [-1, 0o10000, 0.5, NaN]) refusesIn(t, where, 'ERR_OUT_OF_RANGE', create({ engine, mode: wrong }))
  for (const wrong of [null, 0, 1, 'yes', {}]) refusesIn(t, where, 'ERR_INVALID_ARG_TYPE', create({ engine, sparse: wrong }))
  for (const wrong of [null, 0, true, {}]) {
    refusesIn(t, where, 'ERR_INVALID_ARG_TYPE', create({ engine: wrong }))
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => kind.open(join(where, 'pool'), { engine: wrong as never }))
  }
  for (const wrong of ['', 'PMDK', 'libpmemlog', 'toString']) {
    refusesIn(t, where, 'ERR_INVALID_ARG_VALUE', create({ engine: wrong }))
    refuses(t, 'ERR_INVALID_ARG_VALUE', () => kind.open(join(where, 'pool'), { engine: wrong as never }))
  }
  for (const wrong of [null, 0, 'yes', {}]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => kind.open(join(where, 'pool'), { engine, readonly: wrong as never }))
  }
  for (const wrong of [null, 5, 'pmdk', true]) {
    refuses(t, 'ERR_INVALID_ARG_TYPE', () => kind.open(join(where, 'pool'), wrong as never))
  }
})

test('the modules are also there one by one', (t) => {
  // eslint-disable-next-line typescript/no-require-imports -- both kinds of import lead to the same module
  t.is(require('pmem/log').create, pmemlog.create)
  t.is(require('pmem/blk').create, pmemblk.create)
})

test('auto takes the NVM Library on persistent memory, and the Rust engine elsewhere, where there are both', (t) => {
  writeFileSync(join(testFolder, `probe ${process.pid}`), Buffer.alloc(4096))
  t.teardown(() => rmSync(join(testFolder, `probe ${process.pid}`)))
  const region = pmem.map(join(testFolder, `probe ${process.pid}`))
  const chosen = engines.length === 1 ? engines[0]! : region.isPmem ? 'pmdk' : 'rust'
  region.close()
  for (const kind of kinds) {
    const path = file(t)
    using pool = kind.create(path)
    t.is(pool.engine, chosen)
    pool.close()
    for (const engine of engines) {
      kind.open(path, { engine }).close()
      using again = kind.open(path)
      t.is(again.engine, chosen)
    }
  }
})

test('an engine that this build lacks is refused', (t) => {
  const where = folder(t)
  for (const kind of kinds) {
    for (const engine of (['pmdk', 'rust'] as const).filter((name) => !engines.includes(name))) {
      refusesIn(t, where, 'ERR_PMEM_UNSUPPORTED', () => kind.create(join(where, 'pool'), kind.minPool, { engine }))
      refuses(t, 'ERR_PMEM_UNSUPPORTED', () => kind.open(join(where, 'pool'), { engine }))
    }
  }
  t.deepEqual([...engines].sort(), capabilities.pmdk === null ? ['rust'] : ['pmdk', 'rust'])
})

eachKind('a pool has its blocks on disk, a sparse one gets them when they are written', (t, kind, engine) => {
  const where = folder(t)
  const allocated = (name: string) => statSync(join(where, name)).blocks * 512
  const size = 40 * MiB
  kind.create(join(where, 'whole'), size, { engine }).close()
  t.true(allocated('whole') >= size, String(allocated('whole')))
  kind.create(join(where, 'sparse'), size, { engine, sparse: true }).close()
  t.is(statSync(join(where, 'sparse')).size, size)
  t.true(allocated('sparse') < size / 4, `${allocated('sparse')} bytes are allocated`)
  works(t, kind, join(where, 'sparse'), engine)
})

/** Whether a file has extents that were set aside and not written; undefined where nothing tells. */
function hasUnwritten(path: string): boolean | undefined {
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` }
  const { status, stdout } = spawnSync('filefrag', ['-v', path], { encoding: 'utf8', env })
  return status === 0 ? /\bunwritten\b/.test(stdout) : undefined
}

const written = 'rust: log: the pages of pools of up to 64 MiB are written when they are made, unless they are sparse'

if (onTmpfs || isForcedPmem || hasUnwritten(__filename) === undefined) {
  skipped(written, 'it takes the page cache of a disk, and filefrag')
} else {
  test(written, (t) => {
    const where = folder(t)
    for (const [name, size, sparse, unwritten] of [
      ['smallest', pmemlog.MIN_POOL, false, false],
      ['largest', 64 * MiB, false, false],
      ['larger', 64 * MiB + 4096, false, true],
      ['sparse', pmemlog.MIN_POOL, true, false],
    ] as const) {
      pmemlog.create(join(where, name), size, { engine: 'rust', sparse }).close()
      t.is(hasUnwritten(join(where, name)), unwritten, name)
    }
  })
}

eachKind('a path may be a string, a Buffer or a URL, with any bytes', (t, kind, engine) => {
  const where = folder(t)
  const paths = [
    join(where, 'a string é€😀'),
    Buffer.from(join(where, 'a Buffer')),
    pathToFileURL(join(where, 'a URL %20?#é')),
    Buffer.concat([Buffer.from(`${where}/`), Buffer.from([0xff, 0xfe, 0x80, 10, 32])]),
    join(where, 'n'.repeat(255)),
  ]
  for (const path of paths) {
    kind.create(path, kind.minPool, { engine }).close()
    t.true(existsSync(path))
    works(t, kind, path, engine)
    refuses(t, 'EEXIST', () => kind.create(path, kind.minPool, { engine }))
  }
  t.is(readdirSync(where).length, paths.length)
  refuses(t, 'ENOENT', () => kind.open(Buffer.concat([Buffer.from(`${where}/`), Buffer.from([0xff])]), { engine }))
})

eachKind('a path that is none is refused', (t, kind, engine) => {
  const calls = [
    (path: never) => kind.create(path, kind.minPool, { engine }),
    (path: never) => kind.open(path, { engine }),
    (path: never) => kind.check(path),
  ]
  for (const call of calls) {
    for (const wrong of [5, 5n, new ArrayBuffer(4), new Uint16Array(4), ...nothings] as never[]) {
      refuses(t, 'ERR_INVALID_ARG_TYPE', () => call(wrong))
    }
    for (const wrong of ['', 'a\0b', Buffer.alloc(0), Buffer.from('a\0')] as never[]) {
      refuses(t, 'ERR_INVALID_ARG_VALUE', () => call(wrong))
    }
    t.throws(() => call(new URL('https://example.org/pool') as never), { code: 'ERR_INVALID_URL_SCHEME' })
  }
})

eachKind('what is missing, or no file, is refused by open and check', (t, kind, engine) => {
  const where = folder(t)
  mkdirSync(join(where, 'folder'))
  execFileSync('mkfifo', [join(where, 'fifo')])
  symlinkSync(join(where, 'nothing'), join(where, 'link'))
  writeFileSync(join(where, 'file'), '')
  const open = (path: string) => kind.open(path, { engine })
  for (const [syscall, call] of [[`pmem${kind.name}_open`, open], [`pmem${kind.name}_check`, kind.check]] as const) {
    refusesIn(t, where, 'ENOENT', () => call(join(where, 'missing')), syscall)
    refusesIn(t, where, 'ENOENT', () => call(join(where, 'link')), syscall)
    refusesIn(t, where, 'ENOTDIR', () => call(join(where, 'file/pool')), syscall)
    refusesIn(t, where, 'EISDIR', () => call(join(where, 'folder')), syscall)
    refusesIn(t, where, 'ENODEV', () => call(join(where, 'fifo')), syscall)
    refuses(t, 'ENODEV', () => call('/dev/null'), { syscall, path: '/dev/null' })
  }
})

/** A file that a pool may be made in: a first page of zeros, anything behind it and at the end, and holes between. */
function dirty(path: string, size: number): void {
  const bytes = pattern(MiB, 7)
  writeFileSync(path, Buffer.concat([Buffer.alloc(4096), bytes]))
  truncateSync(path, size)
  poke(path, size - MiB, bytes)
}

eachKind('size 0 takes the file that is there, zero or dirty', (t, kind, engine) => {
  const where = folder(t)
  for (const size of [kind.minPool, kind.minPool + 1000, kind.minPool + 3 * MiB]) {
    const zero = join(where, `zero ${size}`)
    writeFileSync(zero, '')
    truncateSync(zero, size)
    chmodSync(zero, 0o604)
    kind.create(zero, 0, { engine }).close()
    t.is(statSync(zero).mode & 0o7777, 0o604)
    dirty(join(where, `dirty ${size}`), size)
    kind.create(join(where, `dirty ${size}`), 0n, { engine, mode: 0o777 }).close()
    for (const name of [`zero ${size}`, `dirty ${size}`]) {
      t.is(statSync(join(where, name)).size, size)
      works(t, kind, join(where, name), engine)
    }
  }
})

eachKind('size 0 refuses a file that is missing, small, used or none, and leaves it as it is', (t, kind, engine) => {
  const where = folder(t)
  const path = join(where, 'file')
  const create = () => kind.create(path, 0, { engine })
  refusesIn(t, where, 'ENOENT', create, `pmem${kind.name}_create`)
  for (const size of [0, 1, 4096, kind.minPool - 1]) {
    const bytes = Buffer.alloc(size)
    writeFileSync(path, bytes)
    refusesIn(t, where, 'ERR_OUT_OF_RANGE', create)
    sameBytes(t, readFileSync(path), bytes)
  }
  for (const place of [0, 1, 2048, 4095]) {
    const bytes = Buffer.alloc(kind.minPool)
    bytes[place] = 1
    writeFileSync(path, bytes)
    refusesIn(t, where, 'EEXIST', create, `pmem${kind.name}_create`)
    sameBytes(t, readFileSync(path), bytes)
  }
  renameSync(path, join(where, 'other'))
  mkdirSync(path)
  refusesIn(t, where, 'EISDIR', create)
  const pool = join(where, 'pool')
  kind.create(pool, kind.minPool, { engine }).close()
  const bytes = readFileSync(pool)
  refusesIn(t, where, 'EEXIST', () => kind.create(pool, 0, { engine }))
  sameBytes(t, readFileSync(pool), bytes)
})

eachEngine('a log in a dirty file is empty, then holds what is appended', (t, engine) => {
  const path = file(t)
  dirty(path, 3 * MiB)
  using log = pmemlog.create(path, 0, { engine })
  t.is(log.tell(), 0)
  t.is(log.nbyte(), 3 * MiB - 8 * KiB)
  const data = pattern(log.nbyte())
  log.append(data)
  log.close()
  using again = pmemlog.open(path, { engine })
  sameBytes(t, contents(again), data)
})

const CHANGES: Record<string, (blocks: pmemblk.BlockArray, index: number) => void> = {
  write: (blocks, index) => blocks.write('written', index),
  setZero: (blocks, index) => blocks.setZero(index),
  setError: (blocks, index) => blocks.setError(index),
}

for (const [name, change] of Object.entries(CHANGES)) {
  eachEngine(`blocks in dirty files read as zeros, whatever is opened before the first ${name}`, (t, engine) => {
    const where = folder(t)
    const [a, b, c] = ['a', 'b', 'c'].map((file) => join(where, file)) as [string, string, string]
    dirty(a, pmemblk.MIN_POOL)
    dirty(b, pmemblk.MIN_POOL)
    using first = pmemblk.create(a, 512, 0, { engine })
    using second = pmemblk.create(b, 512, 0, { engine })
    using third = pmemblk.create(c, 512, pmemblk.MIN_POOL, { engine })
    const zeros = Buffer.alloc(512 * first.nblock())
    for (const blocks of [first, second, third]) sameBytes(t, blocks.readMany(0, blocks.nblock()), zeros)
    // The last one opened is zero, the one before it is not: libpmemblk keeps that in one variable for all.
    for (const blocks of [first, third, second]) change(blocks, 20)
    for (const blocks of [first, second, third]) blocks.close()
    for (const path of [a, b, c]) {
      t.true(pmemblk.check(path))
      using blocks = pmemblk.open(path, 0, { engine })
      sameBytes(t, blocks.readMany(0, 20), zeros.subarray(0, 20 * 512))
      sameBytes(t, blocks.readMany(21, blocks.nblock() - 21), zeros.subarray(21 * 512))
      if (name === 'setError') refuses(t, 'EIO', () => blocks.read(20))
      else t.is(blocks.readText(20), name === 'write' ? 'written' : '')
      blocks.write('again', blocks.nblock() - 1)
      t.is(blocks.readText(blocks.nblock() - 1), 'again')
    }
  })

  eachEngine(`blocks in a dirty file that is reopened before the first ${name} read as zeros`, (t, engine) => {
    const path = file(t)
    dirty(path, pmemblk.MIN_POOL)
    pmemblk.create(path, 512, 0, { engine }).close()
    using blocks = pmemblk.open(path, 0, { engine })
    const zeros = Buffer.alloc(512 * blocks.nblock())
    sameBytes(t, blocks.readMany(0, blocks.nblock()), zeros)
    change(blocks, 0)
    sameBytes(t, blocks.readMany(1, blocks.nblock() - 1), zeros.subarray(512))
  })
}

eachKind('whoever may not is refused, and no file is left', async (t, kind, engine) => {
  const where = folder(t)
  chmodSync(where, 0o777)
  kind.create(join(where, 'foreign'), kind.minPool, { engine, mode: 0o600 }).close()
  mkdirSync(join(where, 'unwritable'), { mode: 0o755 })
  const pool = statSync(join(where, 'foreign'))
  const user = startProcess(t)
  const outcomes = await user.run(
    ({ pmemlog, pmemblk, fs }, where, name, engine, size) => {
      process.chdir(where)
      process.umask(0)
      process.setuid?.(65534)
      const module = name === 'log' ? pmemlog : pmemblk
      const create = (path: string, mode?: number) => {
        const options = mode === undefined ? { engine } : { engine, mode }
        return name === 'log' ? pmemlog.create(path, size, options) : pmemblk.create(path, 512, size, options)
      }
      const outcome = (work: () => unknown): unknown => {
        try {
          return work()
        } catch (error) {
          return (error as NodeJS.ErrnoException).code
        }
      }
      // A mode that keeps its owner out: either the pool can be made, or it is gone again.
      const kept = [0o400, 0o200, 0o000].map((mode) => {
        const made = outcome(() => create(`mode ${mode}`, mode).close() ?? 'made')
        return [made, fs.existsSync(`mode ${mode}`)]
      })
      return {
        root: process.getuid?.() === 0,
        open: outcome(() => module.open('foreign').close()),
        check: outcome(() => module.check('foreign')),
        create: outcome(() => create('unwritable/pool').close()),
        own: outcome(() => create('own').close() ?? module.check('own')),
        kept,
      }
    },
    where,
    kind.name,
    engine,
    kind.minPool,
  )
  t.like(outcomes, { root: false, own: true })
  if (pool.uid === 0) t.like(outcomes, { open: 'EACCES', check: 'EACCES', create: 'EACCES' })
  for (const [made, left] of outcomes.kept) t.deepEqual([made, left], made === 'made' ? ['made', true] : ['EACCES', false])
  t.deepEqual(readdirSync(join(where, 'unwritable')), [])
})
