// main.mjs folder place [filter]: measures all suites in a folder and prints a table. scripts/bench.mjs starts it.
import { capabilities, pmem } from 'pmem'
import { compare } from './measure.mjs'
import { suite as region } from './suites/region.mjs'
import { heading, row } from './table.mjs'

const suites = [region]

const [folder = '', place = '', filter = ''] = process.argv.slice(2)
using probe = pmem.mapFile(folder, { length: capabilities.pageSize, tmpfile: true })
const means = probe.isPmem ? `${capabilities.flushInstruction} of PMDK ${capabilities.pmdk}` : 'msync'
console.log(`\n${place}; persisting is ${means}; ns per operation\n${heading}`)

for (const suite of suites) {
  const wanted = suite.open(folder).filter(({ name, disk }) => name.includes(filter) && (probe.isPmem || disk))
  for (const operation of wanted) {
    console.log(row(operation, await compare(suite.name, operation, folder, probe.isPmem)))
  }
}
