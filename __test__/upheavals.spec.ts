/**
 * What happens to files, disks and processes under whoever uses them: for every module an error with a code and never a wrong value, and
 * what is opened again is sound, or clearly refused.
 */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { mountAgain, onSmall, smallDisk } from './helpers/disks.js'
import { folder } from './helpers/files.js'
import { onFiles } from './helpers/linux.js'
import { KEYS, MODULES, type Module, type Used, compare, modulesOf } from './helpers/numbered.js'
import { isForcedPmem } from './helpers/pools.js'
import { compiledObject, ended, program, run } from './helpers/programs.js'
import type { Told } from './programs/limited.js'

// What counts as persistent memory is not synced: a disk that is none loses it.
const disk = onSmall('ext4') === test && !isForcedPmem ? onFiles : test.skip

const modulesBy = (what: string, engine: string): Module => modulesOf(engine)[what]!

/** That what a program was told of is there, that nothing is there that it did not write, and that it goes on. */
async function goesOn(t: ExecutionContext, what: string, engine: string, path: string, { acknowledged, failed }: Told): Promise<void> {
  const used = modulesBy(what, engine)
  const again = used.open(path)
  t.is(compare(used, again.numbers(), acknowledged, failed), undefined)
  await again.step(1000)
  t.is(compare(used, again.numbers(), [...acknowledged, 1000], failed), undefined)
  again.close()
  t.true(used.isSound(path))
}

function toldBy(t: ExecutionContext, { status, stdout, stderr }: Awaited<ReturnType<typeof ended>>, expected: number | string = 0): Told {
  t.is(status, expected, stderr)
  return JSON.parse(stdout) as Told
}

/** Runs a program in a shell that has lowered a limit. */
function limited(limit: string, args: readonly string[]): ReturnType<typeof ended> {
  return ended('sh', ['-c', `ulimit ${limit}; exec "$0" "$@"`, process.execPath, program('limited.js'), ...args])
}

for (const [what, engine] of MODULES) {
  for (const upheaval of ['removed', 'replaced', 'cut', 'emptied']) {
    onFiles(`${what}, engine ${engine}: files that are ${upheaval} while they are open`, async (t) => {
      const { codes, reopened, wrong } = (await run(t, 'upheaval.js', [what, engine, upheaval, folder(t)])) as Record<string, unknown>
      t.deepEqual(wrong, [])
      const isLost = upheaval === 'cut' || upheaval === 'emptied'
      // After a flush that met a lost page, changes of a journal on persistent memory are refused by EIO.
      for (const code of codes as string[]) t.true(isLost && ['ERR_PMEM_FAULT', 'ERR_PMEM_CORRUPT', 'EIO'].includes(code), code)
      t.true(isLost ? (codes as string[]).some((code) => code.startsWith('ERR_PMEM')) : reopened)
    })
  }

  onFiles(`${what}, engine ${engine}: files that may not be longer than some bytes`, async (t) => {
    const here = folder(t)
    let refused = 0
    // In units of 512 bytes.
    for (const most of [0, 8, 40, 100, 1000, 36_000]) {
      const path = join(here, `${most}`)
      mkdirSync(path)
      const told = toldBy(t, await limited(`-f ${most}`, [what, engine, 'size', path]))
      for (const code of told.codes) t.is(code, 'EFBIG')
      refused += told.codes.length
      await goesOn(t, what, engine, join(path, 'used'), told)
    }
    t.true(refused > 0)
  })

  disk(`${what}, engine ${engine}: a disk that becomes readonly`, async (t) => {
    const here = smallDisk(t, 'ext4', 64)
    const told = toldBy(t, await ended(process.execPath, [program('limited.js'), what, engine, 'readonly', here]))
    for (const code of told.codes) t.true(['EROFS', 'EIO', 'ERR_PMEM_FAULT'].includes(code), code)
    mountAgain(here)
    await goesOn(t, what, engine, join(here, 'used'), told)
    t.log(`${told.acknowledged.length} acknowledged, ${told.failed.length} failed by ${told.codes}`)
  })

  onFiles(`${what}, engine ${engine}: a program that lives on has none of its descriptors`, async (t) => {
    const here = folder(t)
    const told = toldBy(t, await ended(process.execPath, [program('limited.js'), what, engine, 'spawns', here]), 'SIGKILL')
    t.teardown(() => process.kill(told.child!, 'SIGKILL'))
    t.deepEqual(told.codes, [])
    await goesOn(t, what, engine, join(here, 'used'), told)
  })

  onFiles(`${what}, engine ${engine}: a fork that lives on`, async (t) => {
    const here = folder(t)
    const object = compiledObject(here, 'forking')
    const args = [program('limited.js'), what, engine, 'forks', here]
    const told = toldBy(t, await ended(process.execPath, args, { LD_PRELOAD: object }), 'SIGKILL')
    t.deepEqual(told.codes, [])
    const path = join(here, 'used')
    // It has the lock, until it ends.
    const error = what === 'region' ? undefined : t.throws(() => modulesBy(what, engine).open(path))
    t.is((error as NodeJS.ErrnoException | undefined)?.code, what === 'region' ? undefined : 'EAGAIN')
    process.kill(told.child!, 'SIGKILL')
    for (let left = 2000; left > 0 && isHeld(what, engine, path); left -= 1) await pause(5)
    await goesOn(t, what, engine, path, told)
  })

  onFiles(`${what}, engine ${engine}: 64 workers at once`, async (t) => {
    t.timeout(120_000)
    const here = folder(t)
    const used = modulesBy(what, engine)
    const kept: Used = used.open(join(here, 'used'))
    const told = await Promise.all(Array.from({ length: 64 }, (_, index) => toldByWorker([what, engine, 'workers', here, `${index * 10 + 1}`])))
    const acknowledged = told.flatMap((one) => one.acknowledged)
    t.deepEqual(told.flatMap((one) => one.codes), [])
    t.is(acknowledged.length, 640)
    kept.close()
    const again = used.open(join(here, 'used'))
    const numbers = again.numbers()
    again.close()
    if (used.records) t.deepEqual(numbers.toSorted((one, other) => one - other), acknowledged.toSorted((one, other) => one - other))
    else t.true(numbers.every((number, key) => acknowledged.includes(number) && number % KEYS === key), `${numbers}`)
    t.true(used.isSound(join(here, 'used')))
  })

  // Regions have no descriptor.
  if (what === 'region') continue
  onFiles(`${what}, engine ${engine}: no descriptor is left`, async (t) => {
    const here = folder(t)
    const told = toldBy(t, await limited('-n 64', [what, engine, 'handles', here]))
    t.deepEqual(told.codes, ['EMFILE'])
    t.is(told.acknowledged.length, 30)
    await goesOn(t, what, engine, join(here, 'used'), told)
  })
}

function isHeld(what: string, engine: string, path: string): boolean {
  try {
    modulesBy(what, engine).open(path).close()
    return false
  } catch {
    return true
  }
}

function toldByWorker(workerData: readonly string[]): Promise<Told> {
  return new Promise((resolve, reject) => {
    new Worker(program('limited.js'), { workerData }).on('message', resolve).on('error', reject)
  })
}
