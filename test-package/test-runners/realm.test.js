/** Run by Jest and Vitest, whose tests have a context of their own. */

const { join } = require('node:path')
const { setImmediate } = require('node:timers/promises')
const { pmem, pmemblk, pmemlog } = require('pmem')

const file = (name) => join(process.env.PMEM_TEST_DIR, `${name}-${process.env.PMEM_RUNNER}`)

const thrown = async (act) => {
  try {
    await act()
  } catch (error) {
    return error
  }
}

test('errors are of the classes of the test', async () => {
  const log = pmemlog.create(file('log'), pmemlog.MIN_POOL, { sparse: true })
  const long = Buffer.alloc(log.nbyte() + 1)
  for (const [Class, code, act] of [
    [Error, 'ENOENT', () => pmem.map('missing')],
    [RangeError, 'ERR_OUT_OF_RANGE', () => pmemblk.create(file('small'), 512, 1)],
    [Error, 'ENOSPC', () => log.append(long)],
    [Error, 'ENOSPC', () => log.appendAsync(long)],
    [TypeError, 'ERR_INVALID_ARG_TYPE', () => log.append(7)],
  ]) {
    const error = await thrown(act)
    expect(error).toBeInstanceOf(Class)
    expect(error.code).toBe(code)
  }
  expect(() => pmem.map('missing')).toThrow(Error)
  expect(() => pmem.map('missing')).toThrow(/ENOENT.*missing/)
  log.append(new Uint8Array([65, 66]))
  expect(log.read(0, 2).toString()).toBe('AB')
  log.close()
})

test('scopes wait for promises', async () => {
  const region = pmem.mapFile(file('region'), { length: 65_536, create: true })
  const end = new pmem.FlushContext(region).run(() => setImmediate(7))
  expect(region.closed).toBe(false)
  expect(await end).toBe(7)
  expect(region.closed).toBe(true)
})

test('closing empties views', () => {
  for (const memory of ['auto', 'wasm']) {
    const region = pmem.mapFile(file(memory), { length: 65_536, create: true, memory })
    const bytes = region.view(Uint8Array)
    bytes[0] = 1
    region.close()
    expect(bytes.length).toBe(0)
  }
})
