/** Where a rejection came from: the stack is that of those who await it. */

import test, { type ExecutionContext } from 'ava'
import { pmem, pmemblk, pmemlog } from 'pmem'
import { file as newFile } from './helpers/files.js'
import { eachEngine, file } from './helpers/pools.js'

/** Awaits a call as a caller does, some functions deep. */
async function theCaller(call: () => Promise<void>): Promise<void> {
  await theCallee(call)
}

async function theCallee(call: () => Promise<void>): Promise<void> {
  await call()
}

async function stackOf(t: ExecutionContext, code: string, call: () => Promise<void>): Promise<string> {
  const error = await t.throwsAsync<NodeJS.ErrnoException>(theCaller(call))
  t.is(error?.code, code)
  return error?.stack ?? ''
}

function isTheCallers(t: ExecutionContext, stack: string): void {
  t.regex(stack, /^\w+: .*\n(.*\n)*\s+at async theCallee .*stacks\.spec.*\n\s+at async theCaller .*stacks\.spec/, stack)
}

eachEngine('of appends and writes', async (t, engine) => {
  const [log, blocks] = [pmemlog.create(file(t), undefined, { engine }), pmemblk.create(file(t), undefined, undefined, { engine })]
  const long = Buffer.alloc(log.nbyte() + 1)
  isTheCallers(t, await stackOf(t, 'ENOSPC', () => log.appendAsync(long)))
  // Several in a batch have each its own.
  const [first, , second] = await Promise.all([
    stackOf(t, 'ENOSPC', () => log.appendAsync(long)),
    theCaller(() => log.appendAsync('fits')),
    stackOf(t, 'ENOSPC', () => log.appendAsync(long)),
  ])
  for (const stack of [first, second]) isTheCallers(t, stack)
  // What is refused at the call has the call's.
  t.regex(await stackOf(t, 'ERR_INVALID_ARG_TYPE', () => log.appendAsync(7 as never)), /at (\w+\.)?appendAsync /)
  t.regex(await stackOf(t, 'ERR_OUT_OF_RANGE', () => blocks.writeAsync('x', -1)), /at (\w+\.)?writeAsync /)
  log.close()
  t.regex(await stackOf(t, 'ERR_PMEM_CLOSED', () => log.appendAsync('x')), /at (\w+\.)?appendAsync /)
  blocks.close()
})

test('of persisting', async (t) => {
  const region = pmem.map(newFile(t), undefined, { readonly: true })
  t.regex(await stackOf(t, 'EACCES', () => region.persistAsync()), /theCall/)
  region.close()
})
