// A thread that appends durable records for some time, and says how many it made in a second.
import { parentPort, workerData } from 'node:worker_threads'

const { store, folder, time, first } = workerData
const { open } = await import(`../stores/${store}.mjs`)
const opened = await open(folder)
const start = performance.now()
let count = 0
while (performance.now() - start < time) {
  await opened.append(first + count)
  count += 1
}
const rate = (count * 1000) / (performance.now() - start)
await opened.close()
parentPort.postMessage(rate)
