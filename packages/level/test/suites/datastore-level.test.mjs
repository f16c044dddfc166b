// datastore-level over this package, by the suite for all that is a datastore. That has mocha's functions as globals.
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { LevelDatastore } from 'datastore-level'
import { PmemLevel } from 'pmem-level'
import folder from '../folder.js'

// One of its tests asks mocha for more time.
const patient = (name, run) => it(name, () => run.call({ timeout() {} }))
Object.assign(globalThis, { after, afterEach, before, beforeEach, describe, it: patient })
const { interfaceDatastoreTests } = await import('interface-datastore-tests')

describe('datastore-level', () => {
  interfaceDatastoreTests({
    async setup() {
      const store = new LevelDatastore(new PmemLevel(folder.location(), { keyEncoding: 'utf8', valueEncoding: 'view' }))
      await store.open()
      return store
    },
    teardown: (store) => store.close(),
  })
})
