/** A sync that fails, in another process, whose C library a preloaded object fails: what the engines make of it. */

import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { type EngineName, capabilities, pmemblk, pmemlog } from 'pmem'
import { linux } from './helpers/linux.js'
import { contents, folder, sameBytes } from './helpers/pools.js'
import { type It, startProcess } from './helpers/pools-peers.js'
import { compiledObject } from './helpers/programs.js'

type Calls<Pool> = (pool: Pool) => (() => unknown)[]

/** What is done there. Functions are sent as text, and use nothing but their parameters. */
interface Attempt<Pool> {
  /** Makes the pool, and acknowledges changes. */
  readonly make: (it: It, path: string, engine: EngineName) => Pool
  /** One of these calls is to fail. */
  readonly change: Calls<Pool>
  /** These are to be refused then. */
  readonly later: Calls<Pool>
}

type Refusal = { readonly code?: string; readonly message: string } | undefined

interface Outcome {
  readonly failed: boolean
  readonly change: readonly Refusal[]
  readonly later: readonly Refusal[]
}

/** Makes an attempt in which the sync after some that succeed fails. The last one makes fewer, and succeeds. */
async function attempt(it: It, path: string, engine: string, passing: number, make: string, change: string, later: string): Promise<Outcome> {
  // eslint-disable-next-line no-eval -- the sources are functions of this file, which use their parameters alone
  const run = (source: string, ...args: unknown[]) => (0, eval)(`(${source})`)(...args)
  const outcomes = (calls: (() => unknown)[]) =>
    Promise.all(
      calls.map(async (call): Promise<Refusal> => {
        try {
          return void (await call())
        } catch (error) {
          return { code: (error as NodeJS.ErrnoException).code, message: (error as Error).message }
        }
      }),
    )
  const pool = run(make, it, path, engine)
  process.env.SYNCS_LEFT = String(passing)
  const changed = await outcomes(run(change, pool))
  const failed = process.env.SYNCS_LEFT === undefined
  delete process.env.SYNCS_LEFT
  const refused = failed ? await outcomes(run(later, pool)) : []
  pool.close()
  return { failed, change: changed, later: refused }
}

/** Fails each sync of a change in turn. `check` looks at the file afterwards; it is told how many calls returned. */
async function failEach<Pool>(t: ExecutionContext, engine: EngineName, made: Attempt<Pool>, check: (path: string, done: number, failed: boolean) => void) {
  const where = folder(t)
  const object = compiledObject(where, 'failing-sync')
  const env = { ...process.env, LD_PRELOAD: object, SYNC_FOLDER: where, PMEM_IS_PMEM_FORCE: '0' }
  const peer = startProcess(t, { env })
  const sources = [`${made.make}`, `${made.change}`, `${made.later}`] as const
  for (let passing = 0; ; passing += 1) {
    const path = join(where, `pool ${passing}`)
    const { failed, change, later } = await peer.run(attempt, path, engine, passing, ...sources)
    const refused = change.filter((refusal) => refusal !== undefined)
    t.is(refused.length > 0, failed)
    for (const refusal of refused) t.is(refusal.code, 'EIO', refusal.message)
    // The first to be refused is told of its own sync, not of an earlier one.
    t.notRegex(refused[0]?.message ?? '', /open it again/)
    for (const refusal of later) {
      t.is(refusal?.code, 'EIO')
      t.regex(refusal?.message ?? '', /open it again/)
    }
    check(path, change.length - refused.length, failed)
    if (failed) continue
    t.true(passing > 0, 'no sync was seen')
    return
  }
}

const ACKNOWLEDGED = 'acknowledged before'

const LOG_CHANGES: Record<string, Calls<pmemlog.Log>> = {
  append: (log) => [() => log.append('change')],
  'append of much': (log) => [() => log.append('change'.repeat(20_000))],
  appendv: (log) => [() => log.appendv(['cha', 'nge'])],
  appendMany: (log) => [() => log.appendMany(['cha', 'n', 'ge'.repeat(9000)])],
  appendAsync: (log) => [() => log.appendAsync('change')],
  'appendAsync, several at once': (log) => [...'change'].map((part) => () => log.appendAsync(part)),
  rewind: (log) => [() => log.rewind()],
}

const LOGS = capabilities.engines.flatMap((engine) => Object.entries(LOG_CHANGES).map(([name, change]) => [engine, name, change] as const))

for (const [engine, name, change] of LOGS) {
  linux(`log, engine ${engine}, ${name}: each sync that fails is an error, and what was acknowledged is there`, async (t) => {
    const made: Attempt<pmemlog.Log> = {
      make: ({ pmemlog }, path, engine) => {
        const log = pmemlog.create(path, undefined, { engine })
        log.append('acknow')
        log.appendMany(['ledged', ' before'])
        return log
      },
      change,
      later: (log) => [() => log.append('x'), () => log.appendMany(['x', 'y']), () => log.appendAsync('x'), () => log.rewind()],
    }
    await failEach(t, engine, made, (path, done, failed) => {
      t.true(pmemlog.check(path))
      using log = pmemlog.open(path, { engine: 'rust' })
      if (failed) t.is(contents(log).toString(), ACKNOWLEDGED + 'change'.slice(0, done))
      else t.is(contents(log).toString().slice(0, 25), name === 'rewind' ? '' : `${ACKNOWLEDGED}change`)
      log.append('.')
    })
  })
}

const BLOCK_CHANGES: Record<string, Calls<pmemblk.BlockArray>> = {
  write: (blocks) => [() => blocks.write('change', 1)],
  writeMany: (blocks) => [() => blocks.writeMany(1, Buffer.alloc(1024, 'change'))],
  writeAsync: (blocks) => [() => blocks.writeAsync('change', 1)],
  setZero: (blocks) => [() => blocks.setZero(1)],
  setError: (blocks) => [() => blocks.setError(1)],
}

for (const [name, change] of Object.entries(BLOCK_CHANGES)) {
  linux(`blk, ${name}: each sync that fails is an error, and what was acknowledged is there`, async (t) => {
    const made: Attempt<pmemblk.BlockArray> = {
      make: ({ pmemblk }, path) => {
        const blocks = pmemblk.create(path, 512, undefined, { engine: 'rust', sparse: true })
        for (let index = 0; index < 8; index += 1) blocks.write(Buffer.alloc(512, `${index}`), index)
        return blocks
      },
      change,
      later: (blocks) => [() => blocks.write('x', 5), () => blocks.writeAsync('x', 5), () => blocks.setZero(5), () => blocks.setError(5)],
    }
    await failEach(t, 'rust', made, (path) => {
      t.true(pmemblk.check(path))
      using blocks = pmemblk.open(path, 0, { engine: 'rust' })
      for (const index of [0, 3, 4, 5, 6, 7]) sameBytes(t, blocks.read(index), Buffer.alloc(512, `${index}`), `block ${index}`)
      blocks.write('reopened', 1)
      t.is(blocks.readText(1), 'reopened')
    })
  })
}
