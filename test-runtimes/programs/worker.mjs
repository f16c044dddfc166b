// A worker that does the task it is told, as lib/programs.mjs starts it.
import { once } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'
import { journal, pmem, pmemblk, pmemlog } from 'pmem'

const { task, path, times, letter, memory } = workerData
const message = async () => (await once(parentPort, 'message'))[0]

/** The code with which a use of a region is refused; `open` where it is not. */
function state(region) {
  try {
    region.persist(0, 4)
    return 'open'
  } catch (error) {
    return error.code
  }
}

const tasks = {
  /** Sends every message back. */
  echo() {
    parentPort.on('message', (message) => parentPort.postMessage(message))
  },

  /** Tells the texts of as many records as it is told to wait for. */
  async followJournal() {
    const events = journal.open(path)
    const texts = []
    parentPort.postMessage('following')
    for await (const record of events.follow()) if (texts.push(record.text()) === times) break
    parentPort.postMessage(texts)
    events.close()
  },

  /** Waits for records until it is told how to end. */
  async waitJournal() {
    const events = journal.open(path)
    const follows = Array.from({ length: 10 }, () => events.follow({ from: events.next }))
    const waiting = follows.map((records) => records.next())
    parentPort.postMessage('waiting')
    const end = await message()
    if (end === 'exit') process.exit(7)
    if (end === 'throw') throw new Error('the worker failed')
    for (const records of follows) await records.return()
    await Promise.all(waiting)
  },

  /** Counts in a mapping of its own. */
  countMapped() {
    const region = pmem.map(path)
    const view = region.view(Int32Array)
    for (let time = 0; time < times; time += 1) Atomics.add(view, 0, 1)
    region.close()
    parentPort.postMessage('counted')
  },

  /** Waits with buffers of several lengths of a region. */
  async grow() {
    const region = pmem.map(path, undefined, { maxLength: 2 ** 30 })
    const views = [region.view(Uint8Array)]
    region.grow(region.byteLength + 4096)
    views.push(region.view(Uint8Array))
    views[1].set(Buffer.from('grow'))
    parentPort.postMessage('grown')
    await message()
    views[0][0] = 0x67
  },

  /** Counts in memory that it is sent. */
  async countShared() {
    const region = pmem.attach(await message())
    const view = region.view(Int32Array)
    for (let time = 0; time < times; time += 1) Atomics.add(view, 0, 1)
    region.persist(0, 4)
    region.close()
    parentPort.postMessage('counted')
  },

  async waitShared() {
    const view = pmem.attach(await message()).view(Int32Array)
    parentPort.postMessage('waiting')
    Atomics.wait(view, 0, 0, 60_000)
    parentPort.postMessage(Atomics.load(view, 0))
  },

  async attachAndClose() {
    const region = pmem.attach(await message())
    region.close()
    parentPort.postMessage(['closed', state(region)])
  },

  /** Says what it sees each time that it is asked. */
  async attachAndAsk() {
    const buffer = await message()
    const region = pmem.attach(buffer)
    parentPort.postMessage('attached')
    while ((await message()) === 'ask') parentPort.postMessage([state(region), new Uint8Array(buffer)[0]])
  },

  /** Takes memory, and attaches to it when it is told to. */
  async attachLater() {
    const buffer = await message()
    parentPort.postMessage('taken')
    await message()
    new Uint8Array(buffer)[0] = 0x6d
    const region = pmem.attach(buffer)
    region.persist(0, 1)
    const seen = region.read(1).toString()
    region.close()
    parentPort.postMessage([state(pmem.attach(buffer)), seen])
  },

  /** Shares memory that it mapped, and ends. */
  async share() {
    const region = pmem.map(path, undefined, { memory: 'wasm', shared: true })
    parentPort.postMessage(region.buffer)
    await message()
  },

  /** Moves the memory of a region to a buffer of its own, sends that, and ends once it is told to. */
  async moveAway() {
    const region = pmem.map(path)
    const { buffer } = region
    const moved = letter === 'transfer' ? buffer.transfer() : buffer
    try {
      parentPort.postMessage(moved, [moved])
    } catch {
      parentPort.postMessage(null)
    }
    await message()
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
    const regions = Array.from({ length: 10 }, () => pmem.map(path, undefined, { memory }))
    for (const region of regions) region.write('worker')
    parentPort.postMessage('held')
    const end = await message()
    for (const region of regions) void region.persistAsync()
    if (end === 'exit') process.exit(7)
    if (end === 'throw') throw new Error('the worker failed')
  },
}

await tasks[task]()
