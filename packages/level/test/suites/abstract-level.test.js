// The suite of abstract-level, whole.
const { rmSync } = require('node:fs')
const test = require('tape')
const suite = require('abstract-level/test')
const { PmemLevel } = require('pmem-level')
const { location } = require('../folder.js')

let made = []

/** A new database. The files of those that a test has closed make room for it. */
function factory(options) {
  const closed = made.filter(({ status }) => status === 'closed')
  for (const database of closed) rmSync(database.location, { recursive: true, force: true })
  const database = new PmemLevel(location(), options)
  made = [...made.filter(({ status }) => status !== 'closed'), database]
  return database
}

suite({ test, factory })
