import { Assertion, expect, use } from 'chai'
import promised from 'chai-as-promised'

use(promised)

// There these are called, as `to.be.true()` is.
for (const name of ['true', 'false', 'exist']) {
  const { get } = Object.getOwnPropertyDescriptor(Assertion.prototype, name)
  Object.defineProperty(Assertion.prototype, name, { value: get })
}

export { expect }
