const { mkdtempSync, rmSync } = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')

const folder = mkdtempSync(join(process.env.PMEM_TEST_DIR ?? tmpdir(), 'level-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

let count = 0

/** A location that no other test has. */
exports.location = () => join(folder, `${(count += 1)}`)
