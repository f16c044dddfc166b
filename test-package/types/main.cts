import pmem = require('pmem')
import log = require('pmem/log')

const names: readonly pmem.EngineName[] = pmem.capabilities.engines
const open: (path: string) => pmem.pmemlog.Log = log.open
console.log(names.includes('rust') && open === pmem.pmemlog.open ? '  ✔ what was compiled runs' : '  ✘ what was compiled runs')
