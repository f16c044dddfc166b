import { spawn } from 'node:child_process'
import { pbkdf2 } from 'node:crypto'
import { cpSync, linkSync, renameSync, statSync, symlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import { pmemblk, pmemlog } from 'pmem'
import { type EngineName, type Kind, contents, durableIsCheap, eachEngine, eachKind, engines, file, folder, newBlocks, newLog, readsBeside, refuses, rejects } from './helpers/pools.js'
import { elsewhere, startProcess, startWorker } from './helpers/pools-peers.js'

/** What another process makes of a pool: how many changes it has, or the error's code. */
function seenElsewhere(path: string, kind: Kind): Promise<number | string | undefined> {
  return elsewhere(
    ({ pmemlog, pmemblk }, path, name) => {
      try {
        if (name === 'log') {
          const log = pmemlog.open(path)
          const marks = log.tell()
          log.close()
          return marks
        }
        const blocks = pmemblk.open(path)
        const marks = blocks.read(0)[0]!
        blocks.close()
        return marks
      } catch (error) {
        return (error as NodeJS.ErrnoException).code
      }
    },
    path,
    kind.name,
  )
}

eachKind('closing twice does nothing', async (t, kind, engine) => {
  const pool = kind.create(file(t), kind.minPool, { engine })
  t.false(pool.closed)
  t.is(pool.close(), undefined)
  t.true(pool.closed)
  t.is(pool.close(), undefined)
  t.is(pool[Symbol.dispose](), undefined)
  t.is(await pool[Symbol.asyncDispose](), undefined)
  t.true(pool.closed)
})

/** Arguments of every kind, right and wrong: what is closed says so, whatever it is given. */
const ARGUMENTS: unknown[][] = [[], [undefined], [null, null], [-1, -1], ['data', 0], [Buffer.alloc(512), 0], [[], []], [() => {}, 1], [Symbol('s')]]

const CLOSED = { message: /closed/ }

eachEngine('a closed log refuses everything, whatever the arguments', async (t, engine) => {
  const { log } = newLog(t, engine)
  log.append('x')
  log.close()
  const methods = ['nbyte', 'tell', 'append', 'appendv', 'appendMany', 'walk', 'read', 'chunks', 'createReadStream', 'createWriteStream', 'follow', 'rewind'] as const
  for (const args of ARGUMENTS) {
    for (const method of methods) refuses(t, 'ERR_PMEM_CLOSED', () => (log[method] as (...args: unknown[]) => unknown)(...args), CLOSED)
    await rejects(t, 'ERR_PMEM_CLOSED', () => (log.appendAsync as (...args: unknown[]) => Promise<void>)(...args), CLOSED)
  }
  for (const name of ['engine', 'free', 'pending'] as const) refuses(t, 'ERR_PMEM_CLOSED', () => log[name], CLOSED)
  refuses(t, 'ERR_PMEM_CLOSED', () => [...log], CLOSED)
  isComplete(t, log, [...methods, 'appendAsync', 'engine', 'free', 'pending', 'path', 'readonly', 'close', 'closed'])
})

eachEngine('a closed block array refuses everything, whatever the arguments', async (t, engine) => {
  const { blocks } = newBlocks(t, engine)
  blocks.close()
  const methods = ['bsize', 'nblock', 'read', 'readText', 'readInto', 'readMany', 'write', 'writeMany', 'setZero', 'setError'] as const
  for (const args of ARGUMENTS) {
    for (const method of methods) refuses(t, 'ERR_PMEM_CLOSED', () => (blocks[method] as (...args: unknown[]) => unknown)(...args), CLOSED)
    for (const method of ['writeAsync', 'writeManyAsync'] as const) {
      await rejects(t, 'ERR_PMEM_CLOSED', () => (blocks[method] as (...args: unknown[]) => Promise<void>)(...args), CLOSED)
    }
  }
  for (const name of ['engine', 'pending'] as const) refuses(t, 'ERR_PMEM_CLOSED', () => blocks[name], CLOSED)
  refuses(t, 'ERR_PMEM_CLOSED', () => [...blocks], CLOSED)
  isComplete(t, blocks, [...methods, 'writeAsync', 'writeManyAsync', 'engine', 'pending', 'path', 'readonly', 'close', 'closed'])
})

/** That a list of public names, those of what the object's class extends too, leaves none out. */
function isComplete(t: import('ava').ExecutionContext, object: object, names: string[]): void {
  const all: string[] = []
  for (let part = Object.getPrototypeOf(object); part !== Object.prototype; part = Object.getPrototypeOf(part)) {
    all.push(...Object.getOwnPropertyNames(part).filter((name) => name !== 'constructor'))
  }
  t.deepEqual(all.sort(), [...names].sort())
}

eachKind('a pool opened again in this process is shared, under whatever name', (t, kind, engine) => {
  const where = folder(t)
  const path = join(where, 'pool')
  using first = kind.create(path, kind.minPool, { engine })
  linkSync(path, join(where, 'hard'))
  symlinkSync(path, join(where, 'soft'))
  const others = [
    kind.open(path),
    kind.open(path, { engine }),
    kind.open(join(where, 'hard')),
    kind.open(join(where, 'soft'), { engine: 'auto' }),
    kind.open(Buffer.from(join(where, '.', 'pool'))),
  ]
  renameSync(path, join(where, 'moved'))
  others.push(kind.open(join(where, 'moved')))
  for (const [index, other] of others.entries()) {
    t.is(other.engine, engine)
    other.mark()
    t.is(first.marks(), index + 1)
  }
  first.close()
  refuses(t, 'ERR_PMEM_CLOSED', () => first.marks())
  for (const other of others) {
    other.mark()
    t.false(other.closed)
    other.close()
  }
  using again = kind.open(join(where, 'moved'), { engine })
  t.is(again.marks(), 2 * others.length)
})

eachKind('an open pool refuses create and check, and another way of opening', (t, kind, engine) => {
  const path = file(t)
  using pool = kind.create(path, kind.minPool, { engine })
  pool.mark()
  const hint = { path, message: /open in this process/ }
  const [create, open, check] = ['create', 'open', 'check'].map((call) => ({ ...hint, syscall: `pmem${kind.name}_${call}` }))
  refuses(t, 'EAGAIN', () => kind.create(path, kind.minPool, { engine }), create)
  refuses(t, 'EAGAIN', () => kind.create(path, 0, { engine }), create)
  refuses(t, 'EAGAIN', () => kind.check(path), check)
  for (const options of [{ readonly: true }, { engine, readonly: true }]) {
    if (kind.name === 'log') kind.open(path, options).close()
    else refuses(t, 'EAGAIN', () => kind.open(path, options), { ...open, message: /readonly/ })
  }
  for (const other of ['pmdk', 'rust'] as const) {
    if (other === engine) continue
    if (engines.includes(other)) refuses(t, 'EAGAIN', () => kind.open(path, { engine: other }), { ...open, message: /engine/ })
    else refuses(t, 'ERR_PMEM_UNSUPPORTED', () => kind.open(path, { engine: other }))
  }
  t.is(pool.marks(), 1)
  pool.close()
  t.true(kind.check(path))
  refuses(t, 'EEXIST', () => kind.create(path, kind.minPool, { engine }))
})

eachEngine('an open pool is not opened as the other kind', (t, engine) => {
  const { log, path } = newLog(t, engine, pmemblk.MIN_POOL)
  refuses(t, 'EAGAIN', () => pmemblk.open(path, 0, { engine }))
  refuses(t, 'EAGAIN', () => pmemblk.check(path))
  log.close()
  refuses(t, 'ERR_PMEM_CORRUPT', () => pmemblk.open(path, 0, { engine }))
})

eachEngine('a shared array is opened with its own block size only', (t, engine) => {
  const { blocks, path } = newBlocks(t, engine, 256)
  refuses(t, 'EINVAL', () => pmemblk.open(path, 512, { engine }), { path, syscall: 'pmemblk_open' })
  using again = pmemblk.open(path, 256, { engine })
  t.is(again.bsize(), 256)
  blocks.close()
  t.is(again.nblock(), pmemblk.open(path).nblock())
})

eachKind('another process gets EAGAIN until the last handle is closed', async (t, kind, engine) => {
  const path = file(t)
  const first = kind.create(path, kind.minPool, { engine })
  const second = kind.open(path)
  first.mark()
  t.is(await seenElsewhere(path, kind), 'EAGAIN')
  first.close()
  t.is(await seenElsewhere(path, kind), 'EAGAIN')
  second.close()
  t.is(await seenElsewhere(path, kind), 1)
})

eachKind('a pool that another process has open is EAGAIN, and free when that process is gone', async (t, kind, engine) => {
  const path = file(t)
  kind.create(path, kind.minPool, { engine }).close()
  const other = startProcess(t)
  await other.run(
    ({ pmemlog, pmemblk, kept }, path, name) => {
      kept.pool = name === 'log' ? pmemlog.open(path) : pmemblk.open(path)
      if (name === 'log') kept.pool.append('x')
      else kept.pool.write('\x01', 0)
    },
    path,
    kind.name,
  )
  const hint = { path, message: /another process/ }
  refuses(t, 'EAGAIN', () => kind.open(path, { engine }), { ...hint, syscall: `pmem${kind.name}_open` })
  if (readsBeside(kind)) t.true(kind.check(path))
  else refuses(t, 'EAGAIN', () => kind.check(path), { ...hint, syscall: `pmem${kind.name}_check` })
  refuses(t, 'EEXIST', () => kind.create(path, kind.minPool, { engine }))
  await other.kill()
  t.true(kind.check(path))
  using pool = kind.open(path, { engine })
  t.is(pool.marks(), 1)
})

eachKind('a busy pool is EAGAIN also where it looks damaged', async (t, kind, engine) => {
  const path = file(t)
  const other = startProcess(t)
  await other.run(
    ({ pmemlog, pmemblk, kept, fs }, path, name, engine, size) => {
      kept.pool = name === 'log' ? pmemlog.create(path, size, { engine }) : pmemblk.create(path, 512, size, { engine })
      fs.writeSync(fs.openSync(path, 'r+'), 'damage', 64)
    },
    path,
    kind.name,
    engine,
    kind.minPool,
  )
  refuses(t, 'EAGAIN', () => kind.open(path, { engine }))
  if (readsBeside(kind)) t.false(kind.check(path))
  else refuses(t, 'EAGAIN', () => kind.check(path))
  await other.kill()
  refuses(t, 'ERR_PMEM_CORRUPT', () => kind.open(path, { engine }))
  t.false(kind.check(path))
})

eachKind('two processes take turns', async (t, kind, engine) => {
  const path = file(t)
  kind.create(path, kind.minPool, { engine }).close()
  const other = startProcess(t)
  const mark = ({ pmemlog, pmemblk }: Pick<typeof import('pmem'), 'pmemlog' | 'pmemblk'>, path: string, name: string, engine: EngineName): number => {
    if (name === 'log') {
      const log = pmemlog.open(path, { engine })
      log.append('x')
      const length = log.tell()
      log.close()
      return length
    }
    const blocks = pmemblk.open(path, 0, { engine })
    const marks = blocks.read(0)[0]! + 1
    blocks.write(Buffer.of(marks), 0)
    blocks.close()
    return marks
  }
  for (let turn = 0; turn < 20; turn += 1) {
    t.is(await other.run(mark, path, kind.name, engine), 2 * turn + 1)
    t.is(mark({ pmemlog, pmemblk }, path, kind.name, engine), 2 * turn + 2)
  }
})

eachKind('workers share pools with the main thread, and the last handle closes', async (t, kind, engine) => {
  const path = file(t)
  const pool = kind.create(path, kind.minPool, { engine })
  const workers = [startWorker(t), startWorker(t)]
  for (const worker of workers) {
    const opened = await worker.run(
      ({ pmemlog, pmemblk, kept }, path, name) => {
        kept.pool = name === 'log' ? pmemlog.open(path) : pmemblk.open(path)
        if (name === 'log') kept.pool.append('x')
        else kept.pool.write(Buffer.of(kept.pool.read(0)[0] + 1), 0)
        return kept.pool.engine
      },
      path,
      kind.name,
    )
    t.is(opened, engine)
  }
  t.is(pool.marks(), 2)
  const refused = workers[0]!.run(({ pmemlog, pmemblk }, path, name) => (name === 'log' ? pmemlog : pmemblk).check(path), path, kind.name)
  await t.throwsAsync(refused, { code: 'EAGAIN' })
  pool.close()
  t.is(await seenElsewhere(path, kind), 'EAGAIN')
  await workers[0]!.run(({ kept }) => kept.pool.close())
  t.is(await seenElsewhere(path, kind), 'EAGAIN')
  await workers[1]!.run(({ kept }) => kept.pool.close())
  t.is(await seenElsewhere(path, kind), 2)
})

eachKind('a worker that ends closes what it has open', async (t, kind, engine) => {
  const path = file(t)
  kind.create(path, kind.minPool, { engine }).close()
  const worker = startWorker(t)
  await worker.run(
    ({ pmemlog, pmemblk, kept }, path, name) => {
      kept.pool = name === 'log' ? pmemlog.open(path) : pmemblk.open(path)
    },
    path,
    kind.name,
  )
  refuses(t, 'EAGAIN', () => kind.check(path))
  await worker.kill()
  t.true(kind.check(path))
})

eachEngine('a worker that ends finishes what is pending', async (t, engine) => {
  const { log, path } = newLog(t, engine)
  const { blocks, path: array } = newBlocks(t, engine)
  log.close()
  blocks.close()
  const worker = startWorker(t)
  await worker.run(
    ({ pmemlog, pmemblk, kept }, path, array) => {
      kept.log = pmemlog.open(path)
      kept.blocks = pmemblk.open(array)
      for (let index = 0; index < 500; index += 1) {
        void kept.log.appendAsync('x')
        void kept.blocks.writeAsync('x', index)
      }
    },
    path,
    array,
  )
  await worker.kill()
  using again = pmemlog.open(path)
  using written = pmemblk.open(array)
  t.is(again.tell(), 500)
  t.is(written.readText(499), 'x')
})

eachKind('a handle that nobody has any more is closed', async (t, kind, engine) => {
  const path = file(t)
  kind.create(path, kind.minPool, { engine }).close()
  const drop = () => {
    const pool = kind.open(path, { engine })
    pool.mark()
    return new WeakRef(pool.handle)
  }
  const dropped = [drop(), drop()]
  refuses(t, 'EAGAIN', () => kind.check(path))
  while (dropped.some((handle) => handle.deref())) {
    globalThis.gc!()
    await setImmediate()
  }
  // The finalizers run in tasks of their own after the collection.
  for (let tasks = 0; tasks < 100; tasks += 1) await setImmediate()
  t.true(kind.check(path))
  using pool = kind.open(path, { engine })
  t.is(pool.marks(), 2)
})

eachEngine('a handle is kept by what is pending on it', async (t, engine) => {
  const path = file(t)
  pmemlog.create(path, pmemlog.MIN_POOL, { engine }).close()
  const append = () => {
    const log = pmemlog.open(path, { engine })
    return Array.from({ length: 100 }, () => log.appendAsync('x'))
  }
  const pending = append()
  globalThis.gc!()
  await setImmediate()
  globalThis.gc!()
  await Promise.all(pending)
  using log = pmemlog.open(path, { engine })
  t.is(contents(log).toString(), 'x'.repeat(100))
})

eachKind('a program that is started while a pool is open does not keep it locked', async (t, kind, engine) => {
  const path = file(t)
  const pool = kind.create(path, kind.minPool, { engine })
  const child = spawn('cat', { stdio: ['pipe', 'pipe', 'ignore'] })
  t.teardown(() => child.kill())
  child.stdin.write('started')
  await new Promise((resolve) => child.stdout.once('data', resolve))
  pool.close()
  t.true(kind.check(path))
  t.is(await seenElsewhere(path, kind), 0)
  t.is(child.exitCode, null)
})

eachEngine('close finishes what is pending, and the pools are free at once', async (t, engine) => {
  const { log, path } = newLog(t, engine)
  const { blocks, path: array } = newBlocks(t, engine)
  // The threads that would do it are busy, so close has to.
  const busy = Array.from({ length: 8 }, () => promisify(pbkdf2)('password', 'salt', 200_000, 64, 'sha512'))
  const pending: Promise<void>[] = []
  for (let index = 0; index < 200; index += 1) {
    pending.push(log.appendAsync('x'.repeat(100)))
    pending.push(blocks.writeAsync(String(index), index))
  }
  log.close()
  blocks.close()
  t.true(pmemlog.check(path))
  t.true(pmemblk.check(array))
  using again = pmemlog.open(path, { engine })
  using written = pmemblk.open(array, 0, { engine })
  t.is(again.tell(), 20_000)
  for (let index = 0; index < 200; index += 1) t.is(written.readText(index), String(index))
  const outcomes = await Promise.allSettled(pending)
  t.true(outcomes.every(({ status }) => status === 'fulfilled'))
  await Promise.all(busy)
})

eachEngine('asynchronous dispose waits without blocking', async (t, engine) => {
  const { log, path } = newLog(t, engine)
  const { blocks, path: array } = newBlocks(t, engine)
  const pending: Promise<void>[] = []
  for (let index = 0; index < 100; index += 1) {
    pending.push(log.appendAsync('x'))
    pending.push(blocks.writeAsync(String(index), index))
  }
  await Promise.all([log[Symbol.asyncDispose](), log[Symbol.asyncDispose](), blocks[Symbol.asyncDispose]()])
  t.true(log.closed)
  t.true(blocks.closed)
  await Promise.all(pending)
  t.true(pmemlog.check(path))
  t.true(pmemblk.check(array))
  using again = pmemlog.open(path, { engine })
  t.is(again.tell(), 100)
})

eachEngine('a process waits for what is pending before it ends', async (t, engine) => {
  const { log, path } = newLog(t, engine)
  log.close()
  const other = startProcess(t)
  await other.run(
    ({ pmemlog }, path) => {
      const log = pmemlog.open(path)
      process.once('disconnect', () => {
        for (let index = 0; index < 1000; index += 1) void log.appendAsync('x')
      })
    },
    path,
  )
  t.is(await other.leave(), 0)
  using again = pmemlog.open(path, { engine })
  t.is(again.tell(), 1000)
})

eachKind('another copy of this package gets EAGAIN', (t, kind, engine) => {
  const where = folder(t)
  const root = dirname(require.resolve('pmem/package.json'))
  for (const part of ['package.json', 'dist', 'binding.cjs']) cpSync(join(root, part), join(where, part), { recursive: true })
  const binary = Object.keys(require.cache).find((name) => name.endsWith('.node'))!
  cpSync(binary, join(where, basename(binary)))
  // It names this one's native module, where one is chosen.
  const { NAPI_RS_NATIVE_LIBRARY_PATH: chosen } = process.env
  delete process.env.NAPI_RS_NATIVE_LIBRARY_PATH
  // eslint-disable-next-line typescript/no-require-imports -- it is not on any path
  const copy = require(join(where, 'dist/index.js')) as typeof import('pmem')
  if (chosen !== undefined) process.env.NAPI_RS_NATIVE_LIBRARY_PATH = chosen
  const path = join(where, 'pool')
  const pool = kind.create(path, kind.minPool, { engine })
  const module = kind.name === 'log' ? copy.pmemlog : copy.pmemblk
  refuses(t, 'EAGAIN', () => module.open(path), { path, message: /another copy of this package/ })
  if (readsBeside(kind)) t.true(module.check(path))
  else refuses(t, 'EAGAIN', () => module.check(path))
  pool.close()
  t.true(module.check(path))
})

eachKind('a pool that is removed while it is open goes on, and its name is free', (t, kind, engine) => {
  const where = folder(t)
  const path = join(where, 'pool')
  using old = kind.create(path, kind.minPool, { engine })
  old.mark()
  renameSync(path, join(where, 'old'))
  using young = kind.create(path, kind.minPool, { engine })
  t.is(young.marks(), 0)
  old.mark()
  t.is(old.marks(), 2)
  young.mark()
  t.is(young.marks(), 1)
  t.not(statSync(path).ino, statSync(join(where, 'old')).ino)
  old.close()
  young.close()
  t.true(kind.check(path))
  using moved = kind.open(join(where, 'old'), { engine })
  t.is(moved.marks(), 2)
})

eachKind('hundreds of pools are open at once, and their numbers do not mix', (t, kind, engine) => {
  const where = folder(t)
  const pools = Array.from({ length: kind.name === 'log' && durableIsCheap ? 200 : 30 }, (_, index) => {
    const pool = kind.create(join(where, String(index)), kind.minPool, { engine, sparse: true })
    t.teardown(() => pool.close())
    return pool
  })
  for (const [index, pool] of pools.entries()) for (let mark = 0; mark < index % 7; mark += 1) pool.mark()
  for (const [index, pool] of pools.entries()) if (index % 3 === 0) pool.close()
  const again = kind.open(join(where, '0'), { engine })
  t.teardown(() => again.close())
  again.mark()
  for (const [index, pool] of pools.entries()) {
    if (index % 3 === 0) refuses(t, 'ERR_PMEM_CLOSED', () => pool.marks())
    else t.is(pool.marks(), index % 7)
  }
})
