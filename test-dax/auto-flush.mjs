// Whether the processor's caches are persistent: as its argument says.
import { capabilities, pmem } from 'pmem'
import { check, equal } from './check.mjs'

const expected = process.argv[2] === 'true'
check(`hasAutoFlush() is ${expected}`, () => {
  equal(pmem.hasAutoFlush(), expected)
  equal(capabilities.autoFlush, expected)
  equal(capabilities.flushInstruction === 'none', expected)
})
