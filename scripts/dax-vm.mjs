// node scripts/dax-vm.mjs [--device] [--auto-flush] [--nvdimm FILE] COMMAND...: boots a machine with emulated persistent memory
// (qemu, no privilege of the processor's is needed), runs a command of the shell in it, in this checkout, and ends with the
// command's exit status. The memory is the folder /mnt/pmem, an ext4 with DAX; with --device it is /dev/dax0.0 instead, which a
// new NVDIMM alone can become. --auto-flush has the processor's caches persistent too. An NVDIMM is new each time, unless --nvdimm
// names its file. Where there can be no such machine, the exit status is 77.
import { parseArgs } from 'node:util'
import { makeNvdimm, prepareMachine, runInMachine } from './lib/dax-vm/machine.mjs'
import { main } from './lib/run.mjs'

const NO_MACHINE = 77

await main(async () => {
  const { values, positionals } = parseArgs({
    options: { 'device': { type: 'boolean' }, 'auto-flush': { type: 'boolean' }, 'nvdimm': { type: 'string' } },
    allowPositionals: true,
  })
  const parts = await prepareMachine()
  if (parts.reason) {
    console.error(`No machine with persistent memory: ${parts.reason}`)
    process.exitCode = NO_MACHINE
    return
  }
  const nvdimm = values.nvdimm ? { path: values.nvdimm, remove() {} } : makeNvdimm()
  try {
    const { status } = await runInMachine(parts, positionals.join(' '), {
      nvdimm: nvdimm.path,
      mode: values.device ? 'device' : 'fs',
      autoFlush: values['auto-flush'],
      onLine: (line) => console.log(line),
    })
    process.exitCode = status ?? 1
  } finally {
    nvdimm.remove()
  }
})
