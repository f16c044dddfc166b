/** A sync that fails, in another process, whose C library a preloaded object fails: what a region makes of it. */

import { linux } from './helpers/linux.js'
import { file, folder } from './helpers/files.js'
import { compiledObject, ended, root } from './helpers/programs.js'

/** What the program does with a region whose first sync fails, and what it prints: a code and a message a call. */
const program = `
  const { pmem } = require(process.argv[1])
  const [, , path, memory] = process.argv
  const region = pmem.map(path, undefined, { memory })
  const calls = [
    (region) => region.persist(0, 8),
    (region) => region.persist(0, 8),
    (region) => region.flush(0, 8),
    (region) => region.msync(0, 8),
    (region) => region.persistMany([[0, 8], [16, 8]]),
    (region) => region.persistAsync(0, 8),
    (region) => region.copyFrom('new'),
    (region) => region.fill(7, 0, 8),
    (region) => region[Symbol.dispose](),
    () => { pmem.map(path).persist(0, 8) },
  ]
  const outcome = async (call) => {
    try {
      await call(region)
      return { code: 'done', message: '' }
    } catch ({ code, message }) {
      return { code, message }
    }
  }
  const outcomes = async () => {
    region.view(Uint8Array).fill(1)
    process.env.SYNCS_LEFT = '0'
    const all = []
    for (const call of calls) all.push(await outcome(call))
    console.log(JSON.stringify(all))
  }
  outcomes()
`

for (const memory of ['auto', 'wasm']) {
  linux(`after a sync that fails nothing of a region is durable until it is mapped anew: ${memory}`, async (t) => {
    const object = compiledObject(folder(t), 'failing-sync')
    const path = file(t, 65_536)
    const env = { LD_PRELOAD: object, SYNC_FOLDER: path, PMEM_IS_PMEM_FORCE: '0' }
    const { status, stdout, stderr } = await ended(process.execPath, ['-e', program, root, path, memory], env)
    t.is(status, 0, stderr)
    const outcomes = JSON.parse(stdout) as { code: string; message: string }[]
    t.deepEqual(outcomes.map(({ code }) => code), [...Array(outcomes.length - 1).fill('EIO'), 'done'])
    for (const { message } of outcomes.slice(0, -1)) t.regex(message, /lost: close the region and map the file again/)
    t.notRegex(outcomes[0]?.message ?? '', /earlier/)
    for (const { message } of outcomes.slice(1, -1)) t.regex(message, /earlier/)
  })
}
