const { mkdtempSync, rmSync } = require('node:fs')
const { freemem, tmpdir } = require('node:os')
const { join } = require('node:path')

// The suites leave databases open, which take 8 GB until they end: more than the memory of some machines.
const parent = freemem() > 16 * 2 ** 30 ? (process.env.PMEM_TEST_DIR ?? tmpdir()) : tmpdir()
const folder = mkdtempSync(join(parent, 'level-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

let count = 0

/** A location that no other test has. */
exports.location = () => join(folder, `${(count += 1)}`)
