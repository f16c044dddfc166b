// The tests that aedes-persistence-level ships, over this package: they make databases of `Level`, below the system's folder for
// temporary files.
const { PmemLevel } = require('pmem-level')
const { location } = require('../folder.js')

require.cache[require.resolve('level')] = { loaded: true, exports: { Level: PmemLevel } }
process.env.TMPDIR = location()
module.exports = require('../../node_modules/aedes-persistence-level/test/test.js')
