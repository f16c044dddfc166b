// A worker that does the task it is told, as lib/programs.mjs starts it.
import { once } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'
import { pmem, pmemblk, pmemlog } from 'pmem'

const { task, path, times, letter } = workerData

const tasks = {
  /** Sends every message back. */
  echo() {
    parentPort.on('message', (message) => parentPort.postMessage(message))
  },

  /** Counts in a mapping of its own. */
  countMapped() {
    const region = pmem.map(path)
    const view = region.view(Int32Array)
    for (let time = 0; time < times; time += 1) Atomics.add(view, 0, 1)
    region.close()
    parentPort.postMessage('counted')
  },

  append() {
    const log = pmemlog.open(path)
    for (let time = 0; time < times; time += 1) log.append(`${letter} ${time}\n`)
    log.close()
    parentPort.postMessage('appended')
  },

  async writeBlocks() {
    const blocks = pmemblk.open(path)
    const writes = Array.from({ length: times }, (_, index) => blocks.writeAsync(`block ${index}`, index))
    await Promise.all(writes)
    blocks.close()
    parentPort.postMessage('written')
  },

  /** Ends as the next message says, with regions open and work under way. */
  async hold() {
    const regions = Array.from({ length: 10 }, () => pmem.map(path))
    for (const region of regions) region.write('worker')
    parentPort.postMessage('held')
    const [end] = await once(parentPort, 'message')
    for (const region of regions) void region.persistAsync()
    if (end === 'exit') process.exit(7)
    if (end === 'throw') throw new Error('the worker failed')
  },
}

await tasks[task]()
