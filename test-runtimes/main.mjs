// main.mjs [filter]: the suite without a test framework, which runs the same in every JavaScript runtime, on the folder
// PMEM_TEST_DIR. `npm run test:runtimes` starts it. The filter is a part of the names of the checks wanted.
import { runChecks } from './lib/check.mjs'
import { endThreads } from './lib/programs.mjs'

for (const name of ['modules', 'region', 'grow', 'memory', 'transfer', 'log', 'blocks', 'journal', 'objects', 'threads', 'wasm', 'faults']) await import(`./suite/${name}.mjs`)

// Not by exit, which would hide what keeps a process from ending by itself.
process.exitCode = (await runChecks(process.argv[2])) > 0 ? 1 : 0
await endThreads()
