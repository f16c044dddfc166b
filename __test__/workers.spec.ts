/** Workers and processes that end with regions open, in every way. */

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import test from 'ava'
import { pmem } from 'pmem'
import { file, text } from './helpers/files.js'
import { linux } from './helpers/linux.js'
import { mappings } from './helpers/memory.js'
import { ended, program } from './helpers/programs.js'

interface Started {
  worker: Worker
  /** How many mappings of its file it had. */
  count: unknown
  /** Its exit code, once it ends, whether it fails or not. */
  exit: Promise<number>
}

/** Starts a worker with twenty regions, of which it closes two, and waits until it says so. */
async function start(path: string, end: string): Promise<Started> {
  const worker = new Worker(program('worker.js'), { workerData: { path, end } })
  const exit = over(worker)
  const count = await new Promise((resolve) => worker.on('message', resolve))
  return { worker, count, exit }
}

function over(worker: Worker): Promise<number> {
  return new Promise((resolve) => worker.on('error', () => {}).on('exit', resolve))
}

for (const [end, code] of [['return', 0], ['exit', 7], ['throw', 1]] as const) {
  linux(`a worker that ends by ${end}`, async (t) => {
    const path = file(t)
    const { count, exit } = await start(path, end)
    t.is(count, 18)
    t.is(await exit, code)
    t.is(mappings(path), 0)
    t.is(text(path, 10), 'abcdefghij')
  })
}

for (const end of ['wait', 'spin']) {
  linux(`a worker that is terminated as it ${end}s`, async (t) => {
    const path = file(t)
    const { worker, count } = await start(path, end)
    t.is(count, 18)
    t.is(mappings(path), 18)
    t.is(await worker.terminate(), 1)
    t.is(mappings(path), 0)
    t.is(text(path, 10), 'abcdefghij')
  })
}

linux('workers that are terminated at any moment', async (t) => {
  const path = file(t)
  await Promise.all(Array.from({ length: 8 }, async (_, turn) => {
    const worker = new Worker(program('worker.js'), { workerData: { path, end: 'wait' } })
    const exit = over(worker)
    if (turn % 2) await once(worker, 'online')
    await worker.terminate()
    await exit
  }))
  t.is(mappings(path), 0)
})

linux('regions of the main thread outlive those of workers over the same file', async (t) => {
  const path = file(t)
  const region = pmem.map(path)
  const { exit } = await start(path, 'return')
  await exit
  t.is(mappings(path), 1)
  t.is(region.read(10).toString(), 'abcdefghij')
  region.write('main')
  region[Symbol.dispose]()
  t.is(text(path, 14), 'abcdefghijmain')
})

for (const [end, status] of [['return', 0], ['exit', 7], ['throw', 1], ['kill', 'SIGKILL']] as const) {
  test(`a process that ends by ${end} loses nothing that it wrote`, async (t) => {
    const path = file(t)
    const result = await ended(process.execPath, [program('exit.js'), path, end])
    t.is(result.status, status, result.stderr)
    t.is(text(path, 14), 'written stored')
  })
}
