// The suite of Keyv, whole. It is for Keyv 5, of which it wants two things that Keyv 6 has no more.
import keyvTestSuite, { keyvIteratorTests } from '@keyv/test-suite'
import { Keyv } from 'keyv'
import { KeyvPmem } from 'pmem-keyv'
import * as test from 'vitest'
import { newPath } from './folder.js'

/** Says of many keys whether any was there. Keyv 6 says it of each. */
class KeyvOfOld extends Keyv {
  async delete(key) {
    const results = await super.delete(key)
    return Array.isArray(results) ? results.some(Boolean) : results
  }
}

const path = newPath()
const opened = []

/** An adapter, with the options that those for Keyv 5 show. */
function store() {
  const adapter = Object.assign(new KeyvPmem(path), { opts: {} })
  opened.push(adapter)
  return adapter
}

test.afterAll(() => Promise.all(opened.map((adapter) => adapter.disconnect())))
keyvTestSuite(test, KeyvOfOld, store)
keyvIteratorTests(test, KeyvOfOld, store)
