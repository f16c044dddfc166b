import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const isMemory = process.env.PMEM_IS_PMEM_FORCE === '1'

/** What bench/c has that does the same, by case: a program, its operation, and how many pieces of work that is. */
const programs = {
  append: isMemory ? ['log', 'append 64 B'] : ['sync', 'pwrite 96 B + fdatasync', 4],
  overwrite: isMemory ? ['region', 'store 64 B + persist'] : ['sync', 'pwrite 64 B + fdatasync', 4],
}

export function open(folder) {
  return {
    async external(name, milliseconds) {
      const [program, operation, batch = 1024] = programs[name]
      const path = fileURLToPath(new URL(`../../../build/bench/c/${program}`, import.meta.url))
      const args = [operation, batch, 12, milliseconds * 1e6].map(String)
      const { stdout } = await promisify(execFile)(path, args, { cwd: folder })
      return Number(stdout)
    },
    close() {},
  }
}
