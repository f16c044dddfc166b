// opening.mjs PEER PATH SIZE LARGE [make]: makes what has so many bytes, or opens and closes it twice and prints the nanoseconds of
// the second time. Prints nothing where no store of the kind is so large and sparse.
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

const [peer, path, wanted, large, make] = process.argv.slice(2)
const size = Number(wanted)
const isSparse = size > 2 ** 30

/** How many bytes a file or folder has. */
function length(place) {
  if (!existsSync(place)) return 0
  const found = statSync(place)
  return found.isDirectory() ? readdirSync(place).reduce((sum, name) => sum + length(join(place, name)), 0) : found.size
}

const modules = {
  'pmem region': async () => {
    const { pmem } = await import('pmem')
    return { create: () => pmem.mapFile(path, { length: size, create: true, sparse: true }), open: () => pmem.mapFile(path), sparse: true }
  },
  pmemblk: async () => {
    const { pmemblk } = await import('pmem')
    return { create: () => pmemblk.create(path, 4096, Math.max(size, 16 * 2 ** 20 + 8192), { sparse: true }), open: () => pmemblk.open(path), sparse: true }
  },
  pmemlog: async () => {
    const { pmemlog } = await import('pmem')
    return { create: () => pmemlog.create(path, size, { sparse: true }), open: () => pmemlog.open(path), sparse: true }
  },
}

/** A store that takes entries until it has the size. */
async function store() {
  const { peers } = await import('../peers.mjs')
  const { open } = await import(`../stores/${peers[peer].store}.mjs`)
  mkdirSync(path, { recursive: true })
  return {
    open: () => open(path),
    async create() {
      const opened = await open(path)
      for (let number = 0; length(path) < size; number += Number(large)) await opened.appendMany(number, Number(large))
      return opened
    },
  }
}

const module = await (modules[peer] ?? store)()
if (!isSparse || module.sparse) {
  if (make) {
    const made = await module.create()
    await made.close()
  } else {
    let taken
    for (let time = 0; time < 2; time += 1) {
      const start = performance.now()
      const opened = await module.open()
      await opened.close()
      taken = performance.now() - start
    }
    console.log(taken * 1e6)
  }
}
