/** Pools that are opened, or made where they are missing. */

import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { pmem, pmemblk, pmemlog } from 'pmem'
import { throws } from './helpers/errors.js'
import { file as newFile } from './helpers/files.js'
import { MiB, eachEngine, eachKind, file, refuses } from './helpers/pools.js'
import { startProcess, startWorker } from './helpers/pools-peers.js'

eachEngine('a missing pool is made as the options say, and one that is there opened as it is', (t, engine) => {
  const path = file(t)
  const log = pmemlog.open(path, { create: true, size: 4 * MiB, mode: 0o600, engine, sparse: true, maxPending: 10 })
  t.is(log.nbyte(), 4 * MiB - 8192)
  t.is(log.engine, engine)
  t.is(statSync(path).mode & 0o777, 0o600)
  log.append('kept')
  log.close()
  const again = pmemlog.open(path, { create: true, size: 8 * MiB })
  t.is(again.nbyte(), 4 * MiB - 8192)
  t.is(again.read(0, 4).toString(), 'kept')
  again.close()

  const smallest = pmemlog.open(`${path}.log`, { create: true, engine })
  t.is(smallest.nbyte(), pmemlog.MIN_POOL - 8192)
  smallest.close()
})

eachEngine('an array likewise, with the block size that is given', (t, engine) => {
  const path = file(t)
  for (const [size, expected] of [[4096, 4096], [0, 512]] as const) {
    const blocks = pmemblk.open(`${path}.${size}`, size, { create: true, engine })
    t.is(blocks.bsize(), expected)
    blocks.write('kept', 1)
    blocks.close()
    const again = pmemblk.open(`${path}.${size}`, size, { create: true })
    t.is(again.readText(1), 'kept')
    again.close()
  }
  refuses(t, 'EINVAL', () => pmemblk.open(`${path}.4096`, 512, { create: true }))
})

eachKind('options that go with making alone are refused without create, and contradictions with it', (t, kind) => {
  const path = file(t)
  for (const options of [{ size: 4 * MiB }, { mode: 0o600 }, { sparse: true }, { create: false, size: 4 * MiB }]) {
    refuses(t, 'ERR_INVALID_ARG_VALUE', () => kind.open(path, options as never), { message: /needs create/ })
  }
  refuses(t, 'ERR_INVALID_ARG_VALUE', () => kind.open(path, { create: true, readonly: true } as never))
  refuses(t, 'ERR_INVALID_ARG_TYPE', () => kind.open(path, { create: 1 } as never))
  refuses(t, 'ERR_OUT_OF_RANGE', () => kind.open(path, { create: true, size: 1 } as never))
  refuses(t, 'ENOENT', () => kind.open(join(path, 'missing'), { create: true } as never))
  refuses(t, 'ENOENT', () => kind.open(path))
  t.false(existsSync(path))
  writeFileSync(path, 'something else')
  refuses(t, 'ERR_PMEM_CORRUPT', () => kind.open(path, { create: true } as never))
})

eachEngine('threads that start together have one pool', async (t, engine) => {
  const workers = [startWorker(t), startWorker(t), startWorker(t)]
  for (let round = 0; round < 10; round += 1) {
    const path = file(t)
    const gate = new Int32Array(new SharedArrayBuffer(4))
    const work = workers.map((worker) =>
      worker.run(
        ({ pmemlog }, path, gate, engine) => {
          Atomics.add(gate, 0, 1)
          Atomics.notify(gate, 0)
          for (let count = Atomics.load(gate, 0); count < 3; count = Atomics.load(gate, 0)) Atomics.wait(gate, 0, count)
          const log = pmemlog.open(path, { create: true, engine, sparse: true })
          log.append('x')
          log.close()
        },
        path,
        gate,
        engine,
      ),
    )
    await Promise.all(work)
    const log = pmemlog.open(path)
    t.is(log.tell(), 3)
    log.close()
  }
})

eachEngine('processes that start together have one pool, one after the other', async (t, engine) => {
  const peers = [startProcess(t), startProcess(t)]
  for (let round = 0; round < 10; round += 1) {
    const path = file(t)
    const work = peers.map((peer) =>
      peer.run(
        ({ pmemlog }, path, engine) => {
          for (;;) {
            try {
              const log = pmemlog.open(path, { create: true, engine, sparse: true })
              log.append('x')
              log.close()
              return
            } catch (error) {
              if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
            }
          }
        },
        path,
        engine,
      ),
    )
    await Promise.all(work)
    const log = pmemlog.open(path)
    t.is(log.tell(), 2)
    log.close()
  }
})

test('mapFile makes a file at least as long as minLength', (t) => {
  const path = `${newFile(t)}.new`
  for (const [minLength, expected] of [[4096, 4096], [8192, 8192], [100, 8192], [8193n, 8193]] as const) {
    const region = pmem.mapFile(path, { create: true, minLength })
    t.is(region.byteLength, expected)
    t.is(statSync(path).size, expected)
    region.close()
  }
  const rest = pmem.mapFile(path, { create: true, minLength: 1, offset: 4096 })
  t.is(rest.byteLength, 4097)
  rest.close()
  const longer = pmem.mapFile(path, { create: true, minLength: 8192, offset: 4096 })
  t.is(longer.byteLength, 8192)
  longer.close()
})

test('minLength goes with create alone', (t) => {
  const path = newFile(t)
  for (const options of [{}, { create: true, length: 1 }, { create: true, truncate: true }, { tmpfile: true }] as pmem.MapFileOptions[]) {
    throws(t, { code: 'ERR_INVALID_ARG_VALUE', says: '"minLength"' }, () => pmem.mapFile(path, { ...options, minLength: 8192 }))
  }
  throws(t, { code: 'ERR_OUT_OF_RANGE', says: '"minLength"' }, () => pmem.mapFile(path, { create: true, minLength: 0 }))
  throws(t, { code: 'EEXIST', path }, () => pmem.mapFile(path, { create: true, minLength: 8192, exclusive: true }))
  t.is(statSync(path).size, 4096)
})
