import { chmodSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { finished } from 'node:stream/promises'
import test from 'ava'
import { pmemblk, pmemlog } from 'pmem'
import { type EngineName, contents, eachEngine, eachKind, engines, file, readsBeside, refuses, rejects, sameBytes } from './helpers/pools.js'
import { elsewhere, startProcess } from './helpers/pools-peers.js'

/** libpmemlog cannot open a file that it may not write. */
function opensReadonly(engine: EngineName): boolean {
  return engine === 'rust'
}

eachKind('an engine that cannot open readonly says so, and changes nothing', (t, kind, engine) => {
  const path = file(t)
  kind.create(path, kind.minPool, { engine }).close()
  const before = readFileSync(path)
  if (opensReadonly(engine)) {
    using pool = kind.open(path, { engine, readonly: true })
    t.is(pool.engine, engine)
  } else {
    refuses(t, 'ERR_PMEM_UNSUPPORTED', () => kind.open(path, { engine, readonly: true }))
  }
  sameBytes(t, readFileSync(path), before)
  t.true(kind.check(path))
})

test('auto opens readonly with an engine that can', (t) => {
  const path = file(t)
  pmemlog.create(path).close()
  if (!engines.some(opensReadonly)) return refuses(t, 'ERR_PMEM_UNSUPPORTED', () => pmemlog.open(path, { readonly: true }))
  using log = pmemlog.open(path, { readonly: true })
  t.is(log.engine, 'rust')
})

eachEngine('a readonly log is read, and refuses every change', async (t, engine) => {
  if (!opensReadonly(engine)) {
    t.pass()
    return
  }
  const path = file(t)
  using made = pmemlog.create(path, pmemlog.MIN_POOL, { engine })
  made.append('content')
  made.close()
  const before = readFileSync(path)
  using log = pmemlog.open(path, { engine, readonly: true })
  t.is(log.tell(), 7)
  t.is(contents(log).toString(), 'content')
  t.deepEqual([...log.chunks(3)].map(String), ['con', 'ten', 't'])
  const hint = { path, message: /readonly/ }
  refuses(t, 'EROFS', () => log.append('x'), { ...hint, syscall: 'pmemlog_append' })
  refuses(t, 'EROFS', () => log.append(Buffer.alloc(100_000)), hint)
  refuses(t, 'EROFS', () => log.appendv(['x', 'y']), hint)
  refuses(t, 'EROFS', () => log.appendMany(['x', 'y']), hint)
  refuses(t, 'EROFS', () => log.rewind(), { ...hint, syscall: 'pmemlog_rewind' })
  await rejects(t, 'EROFS', () => log.appendAsync('x'), hint)
  const stream = log.createWriteStream()
  stream.end('x')
  await rejects(t, 'EROFS', () => finished(stream), hint)
  refuses(t, 'ERR_INVALID_ARG_TYPE', () => log.append(5 as never))
  t.is(contents(log).toString(), 'content')
  log.close()
  sameBytes(t, readFileSync(path), before)
})

eachEngine('a readonly array is read, and refuses every change', async (t, engine) => {
  if (!opensReadonly(engine)) {
    t.pass()
    return
  }
  for (const bsize of [512, 70_000]) {
    const path = file(t)
    using made = pmemblk.create(path, bsize, 64 << 20, { engine })
    made.write('content', 1)
    made.setError(2)
    made.close()
    const before = readFileSync(path)
    using blocks = pmemblk.open(path, bsize, { engine, readonly: true })
    t.is(blocks.readText(1), 'content')
    sameBytes(t, blocks.readMany(0, 1), Buffer.alloc(bsize))
    refuses(t, 'EIO', () => blocks.read(2))
    const hint = { path, message: /readonly/ }
    refuses(t, 'EROFS', () => blocks.write('x', 1), { ...hint, syscall: 'pmemblk_write' })
    refuses(t, 'EROFS', () => blocks.writeMany(1, Buffer.alloc(bsize)), hint)
    refuses(t, 'EROFS', () => blocks.setZero(1), { ...hint, syscall: 'pmemblk_set_zero' })
    refuses(t, 'EROFS', () => blocks.setError(1), { ...hint, syscall: 'pmemblk_set_error' })
    await rejects(t, 'EROFS', () => blocks.writeAsync('x', 1), hint)
    await rejects(t, 'EROFS', () => blocks.writeManyAsync(1, Buffer.alloc(bsize)), hint)
    t.is(blocks.readText(1), 'content')
    blocks.close()
    sameBytes(t, readFileSync(path), before)
  }
})

eachKind('readonly handles may be open in many processes, and keep writers away', async (t, kind, engine) => {
  if (!opensReadonly(engine)) {
    t.pass()
    return
  }
  const path = file(t)
  using made = kind.create(path, kind.minPool, { engine })
  made.mark()
  made.close()
  const pool = kind.open(path, { engine, readonly: true })
  using again = kind.open(path, { engine, readonly: true })
  t.is(again.marks(), 1)
  refuses(t, 'EAGAIN', () => kind.open(path, { engine }), { path, message: /readonly/ })
  const opened = (readonly: boolean) =>
    elsewhere(
      ({ pmemlog, pmemblk }, path, name, engine, readonly) => {
        try {
          const options = { engine, readonly }
          const pool = name === 'log' ? pmemlog.open(path, options) : pmemblk.open(path, 0, options)
          pool.close()
          return 'opened'
        } catch (error) {
          return (error as NodeJS.ErrnoException).code
        }
      },
      path,
      kind.name,
      engine,
      readonly,
    )
  t.is(await opened(true), 'opened')
  t.is(await opened(false), 'EAGAIN')
  pool.close()
  t.is(await opened(false), 'EAGAIN')
  again.close()
  t.is(await opened(false), 'opened')
  using writer = kind.open(path, { engine })
  t.is(await opened(true), readsBeside(kind) ? 'opened' : 'EAGAIN')
  if (kind.name === 'log') kind.open(path, { engine, readonly: true }).close()
  else refuses(t, 'EAGAIN', () => kind.open(path, { engine, readonly: true }), { path, message: /readonly/ })
  t.is(writer.marks(), 1)
})

eachKind('a pool that may only be read is opened readonly', async (t, kind, engine) => {
  if (!opensReadonly(engine)) {
    t.pass()
    return
  }
  const path = file(t)
  using made = kind.create(path, kind.minPool, { engine, mode: 0o444 })
  made.mark()
  made.close()
  chmodSync(dirname(path), 0o755)
  const user = startProcess(t)
  const outcome = await user.run(
    ({ pmemlog, pmemblk }, folder, path, name, engine) => {
      process.chdir(folder)
      process.setuid?.(65534)
      const open = (readonly: boolean) => {
        try {
          const options = { engine, readonly }
          const pool = name === 'log' ? pmemlog.open(path, options) : pmemblk.open(path, 0, options)
          const marks = 'tell' in pool ? pool.tell() : pool.read(0)[0]
          pool.close()
          return marks
        } catch (error) {
          return (error as NodeJS.ErrnoException).code
        }
      }
      return [open(false), open(true)]
    },
    dirname(path),
    'pool',
    kind.name,
    engine,
  )
  t.deepEqual(outcome, ['EACCES', 1])
})
