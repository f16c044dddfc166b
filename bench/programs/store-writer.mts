// store-writer.mjs path bytes end: makes a store of so many bytes, then closes it, or is killed.
import { objects } from 'pmem'

const [path, bytes, end] = process.argv.slice(2) as [string, string, string]
const store = objects.open(path, { root: () => new Map<number, string>(), durability: 'group' })
const value = 'x'.repeat(1000)
while (store.stats().size < Number(bytes)) {
  const { size } = store.root
  store.root.setMany(Array.from({ length: 2000 }, (_, index) => [size + index, value] as const))
}
store.root.set(-1, 'last')
await store.flushed()
if (end === 'kill') process.kill(process.pid, 'SIGKILL')
store.close()
process.disconnect()
