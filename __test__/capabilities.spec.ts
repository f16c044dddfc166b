import { execFileSync } from 'node:child_process'
import { statfsSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { type Capabilities, capabilities, pmem } from 'pmem'
import { file, mapped } from './helpers/files.js'
import { linux } from './helpers/linux.js'
import { run } from './helpers/programs.js'

const TMPFS = 0x01021994

const INSTRUCTIONS = process.arch === 'x64' ? ['clwb', 'clflushopt', 'clflush', 'none'] : ['dc cvap', 'dc cvac', 'none']

/** What a process with these variables finds. */
async function report(t: ExecutionContext, env: NodeJS.ProcessEnv): Promise<{ capabilities: Capabilities; isPmem: boolean }> {
  return (await run(t, 'report.js', [file(t)], { env })) as { capabilities: Capabilities; isPmem: boolean }
}

test('every field', (t) => {
  const { engines, pmdk, externalBuffers, wasmMemory, flushInstruction, hwDrain, autoFlush, pageSize, ...others } = capabilities
  t.deepEqual(others, {})
  t.true(Array.isArray(engines))
  t.deepEqual(engines.filter((engine) => engine !== 'pmdk' && engine !== 'rust'), [])
  if (pmdk !== null) t.regex(pmdk, /^\d+\.\d+|^unknown$/)
  t.is(externalBuffers, process.env.PMEM_NO_EXTERNAL_BUFFERS !== '1')
  t.is(wasmMemory, process.platform !== 'win32')
  t.true(INSTRUCTIONS.includes(flushInstruction), flushInstruction)
  t.is(typeof hwDrain, 'boolean')
  t.is(typeof autoFlush, 'boolean')
  if (autoFlush) t.is(flushInstruction, 'none')
  t.is(pageSize, Number(execFileSync('getconf', ['PAGESIZE'], { encoding: 'utf8' })))
})

test('they cannot be changed', (t) => {
  t.throws(() => Object.assign(capabilities, { pageSize: 1 }), { instanceOf: TypeError })
  t.throws(() => Object.assign(capabilities, { more: 1 }), { instanceOf: TypeError })
})

test('the module says the same', (t) => {
  t.is(pmem.hasHwDrain(), capabilities.hwDrain)
  t.is(pmem.hasAutoFlush(), capabilities.autoFlush)
})

test('PMEM_NO_EXTERNAL_BUFFERS counts', async (t) => {
  t.false((await report(t, { PMEM_NO_EXTERNAL_BUFFERS: '1' })).capabilities.externalBuffers)
  t.true((await report(t, { PMEM_NO_EXTERNAL_BUFFERS: '0' })).capabilities.externalBuffers)
  t.true((await report(t, { PMEM_NO_EXTERNAL_BUFFERS: '' })).capabilities.externalBuffers)
})

test('PMEM_IS_PMEM_FORCE counts', async (t) => {
  t.true((await report(t, { PMEM_IS_PMEM_FORCE: '1' })).isPmem)
  t.false((await report(t, { PMEM_IS_PMEM_FORCE: '0' })).isPmem)
})

test('isPmem follows PMEM_IS_PMEM_FORCE here too', (t) => {
  const { path, region } = mapped(t)
  const forced = process.env.PMEM_IS_PMEM_FORCE
  const pageCache = process.platform === 'linux' && statfsSync(path).type === TMPFS
  if (forced === '1' || pageCache) t.is(region.isPmem, forced === '1')
  t.is(pmem.isPmem(region), region.isPmem)
})

linux('PMEM_NO_FLUSH and its kin count', async (t) => {
  const none = await report(t, { PMEM_NO_FLUSH: '1' })
  t.is(none.capabilities.flushInstruction, 'none')
  if (process.arch !== 'x64') return
  const oldest = await report(t, { PMEM_NO_FLUSH: '0', PMEM_NO_CLWB: '1', PMEM_NO_CLFLUSHOPT: '1' })
  t.is(oldest.capabilities.flushInstruction, 'clflush')
})
