// main.mjs folder place [filter]: measures all suites in a folder and prints a table. scripts/bench.mjs starts it.
import { capabilities, pmem } from 'pmem'
import { compare } from './measure.mjs'
import { suite as blocks } from './suites/blocks.mjs'
import { suite as log } from './suites/log.mjs'
import { suite as region } from './suites/region.mjs'
import type { Operation } from './suite.mjs'
import { heading, row } from './table.mjs'

const suites = [region, log, blocks]

const [folder = '', place = '', filter = ''] = process.argv.slice(2)
using probe = pmem.mapFile(folder, { length: capabilities.pageSize, tmpfile: true })
const means = probe.isPmem ? `${capabilities.flushInstruction} of PMDK ${capabilities.pmdk}` : 'msync'
const isMeasured = ({ name, disk }: Operation) => name.includes(filter) && (probe.isPmem ? disk !== 'only' : disk)
const here = suites.filter(({ disk }) => probe.isPmem || disk)
const wanted = here.flatMap((suite) => {
  const operations = suite.open(folder).filter(isMeasured)
  return operations.map((operation) => ({ suite, operation }))
})

if (wanted.length > 0) console.log(`\n${place}; persisting is ${means}; ns per operation\n${heading}`)
for (const { suite, operation } of wanted) {
  console.log(row(operation, await compare(suite.name, operation, folder, probe.isPmem)))
}
