/** What errors say, where their code alone would leave someone guessing. */

import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { pmem, pmemblk, pmemlog } from 'pmem'
import { throws } from './helpers/errors.js'
import { file, folder } from './helpers/files.js'
import { ended, root } from './helpers/programs.js'
import { eachEngine, isError } from './helpers/pools.js'
import { newRealm } from './helpers/realms.js'

test('an element of a list is named', (t) => {
  const log = pmemlog.create(join(folder(t), 'log'))
  throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"records[1]"' }, () => log.appendMany(['a', {} as never]))
  throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: '"parts[0]"' }, () => log.appendv([{} as never]))
  log.close()
})

test('the option that is wrong is named, not the argument of another function', (t) => {
  const path = file(t)
  throws(t, { code: 'ERR_OUT_OF_RANGE', says: '"length"' }, () => pmem.mapFile(path, { length: 8192 }))
  throws(t, { code: 'ERR_OUT_OF_RANGE', says: '"byteLength"' }, () => pmem.map(path, 8192))
})

test('a received string is quoted', (t) => {
  throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: "Received string 'yes'" }, () => pmem.map(file(t), 'yes' as never))
  throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: "Received string ''" }, () => pmem.map(file(t), '' as never))
})

eachEngine('another block size is told beside the own one', (t, engine) => {
  const path = join(folder(t), 'blocks')
  pmemblk.create(path, 512, undefined, { engine }).close()
  const error = t.throws(() => pmemblk.open(path, 4096))
  isError(t, error, 'EINVAL', { path, message: /the pool has blocks of 512 bytes, not of 4096/ })
})

test('a region of another copy of the package is told from no region at all', (t) => {
  const other = newRealm().package.pmem.map(file(t))
  const another = /must be a Region that this copy of the package made, and not another copy/
  t.regex(t.throws(() => pmem.persist(other))?.message ?? '', another)
  t.regex(t.throws(() => new pmem.FlushContext(other))?.message ?? '', another)
  t.regex(t.throws(() => pmem.persist({} as never))?.message ?? '', /must be a Region\. Received an instance of Object/)
  for (const nothing of [undefined, null, Object.create(null)] as never[]) {
    throws(t, { code: 'ERR_INVALID_ARG_TYPE', says: 'must be a Region. Received' }, () => pmem.persist(nothing))
  }
  other.close()
})

/** How the package fails to load where it lies alone: its message, and all that node prints. */
async function failure(t: ExecutionContext, env: NodeJS.ProcessEnv, before = ''): Promise<{ message: string; printed: string }> {
  const here = folder(t)
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] }
  for (const name of ['package.json', ...files.filter((entry) => /^dist|^binding/.test(entry))]) {
    cpSync(join(root, name), join(here, name), { recursive: true })
  }
  const script = `${before}; try { require(process.argv[1]) } catch (error) { console.log(error.message); throw error }`
  const { status, stdout, stderr } = await ended(process.execPath, ['-e', script, here], { NAPI_RS_NATIVE_LIBRARY_PATH: undefined, ...env })
  t.is(status, 1)
  return { message: stdout, printed: stderr }
}

test('a missing platform package is one cause, and no list of everything that was tried', async (t) => {
  const { message, printed } = await failure(t, {})
  t.regex(message, /is not installed/)
  t.true(printed.split('\n').length < 45, printed)
  t.is(printed.match(/\[cause\]/g)?.length, 1, printed)
})

test("another package's NAPI_RS_NATIVE_LIBRARY_PATH is named", async (t) => {
  const other = join(folder(t), 'other.js')
  cpSync(join(root, 'dist/ts/shared/errors.js'), other)
  for (const path of [other, join(folder(t), 'missing.node')]) {
    const { message } = await failure(t, { NAPI_RS_NATIVE_LIBRARY_PATH: path })
    t.true(message.includes(`NAPI_RS_NATIVE_LIBRARY_PATH is set to ${path}`), message)
    t.true(message.includes('PMEM_NATIVE_BINDING'), message)
  }
})

test('a single executable is told where its native module is to be named', async (t) => {
  const { message } = await failure(t, {}, 'process.getBuiltinModule = () => ({ isSea: () => true })')
  t.regex(message, /a single executable has no packages.*setNativeBinding/)
})
