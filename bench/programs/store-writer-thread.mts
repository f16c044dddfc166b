// A thread that commits 100 MB to a store whenever it is told to.
import { parentPort, workerData } from 'node:worker_threads'
import { objects } from 'pmem'

const store = objects.open<{ map: Map<string, string> }>(workerData as string)
const map = store.root!.map
const value = 'y'.repeat(10_000)
let next = 0

parentPort!.on('message', () => {
  for (let count = 0; count < 10_000; count += 1) map.set(`written ${(next += 1) % 1000}`, value)
  parentPort!.postMessage('written')
})
parentPort!.postMessage('ready')
