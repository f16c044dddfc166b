/** What is said where the platform's package is missing, or does not load; run where each is so. */

const assert = require('node:assert/strict')
const { report } = require('./report.cjs')

const [, , name, cause] = process.argv

void report(`${name}: ${cause}`, () => {
  assert.throws(() => require('pmem'), (error) => {
    assert.equal(error.code, 'ERR_PMEM_UNSUPPORTED')
    assert.ok(error.message.includes(`the package ${name} brings`), error.message)
    assert.ok(error.message.includes(cause), error.message)
    assert.ok(error.cause instanceof Error)
    return true
  })
})
