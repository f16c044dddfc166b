import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** `scripts/bench-report.mjs` says where Python has pynvm, and where libpmemobj is, which it links. */
export function open(folder) {
  const python = process.env.PMEM_BENCH_PYTHON
  if (!python) throw new Error('pynvm 0.3.1 could not be installed')
  const env = { ...process.env, LD_LIBRARY_PATH: process.env.PMEM_BENCH_LIBRARIES }
  return {
    async external(_, milliseconds) {
      const program = fileURLToPath(new URL('../programs/pynvm.py', import.meta.url))
      const { stdout } = await promisify(execFile)(python, [program, folder, String(milliseconds)], { env })
      return Number(stdout)
    },
    close() {},
  }
}
