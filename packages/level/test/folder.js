const { mkdtempSync, rmSync, statfsSync } = require('node:fs')
const { freemem, tmpdir } = require('node:os')
const { join } = require('node:path')

const wanted = process.env.PMEM_TEST_DIR ?? tmpdir()
const { bavail, bsize } = statfsSync(wanted)
// The suites leave databases open, which take 8.6 GB until they end: more than the memory of some machines.
const parent = Math.min(freemem(), bavail * bsize) > 12 * 2 ** 30 ? wanted : tmpdir()
const folder = mkdtempSync(join(parent, 'level-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

let count = 0

/** A location that no other test has. */
exports.location = () => join(folder, `${(count += 1)}`)
