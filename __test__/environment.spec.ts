/** Whatever the environment holds, the package is imported, and what needs none of it works. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { capabilities } from 'pmem'
import { folder } from './helpers/files.js'
import { linux } from './helpers/linux.js'
import { ended, root } from './helpers/programs.js'

const program = `
  const { capabilities, pmem, pmemblk, pmemlog } = require(process.argv[1])
  const folder = process.argv[2]
  pmem.mapFile(folder + '/region', { length: 4096, create: true }).close()
  const outcomes = {}
  const kinds = { log: (path, engine) => pmemlog.create(path, undefined, { engine }), blk: (path, engine) => pmemblk.create(path, 512, undefined, { engine }) }
  for (const engine of capabilities.engines) {
    for (const [kind, create] of Object.entries(kinds)) {
      const path = folder + '/' + kind + engine
      try {
        create(path, engine).close()
        if (engine === 'rust') (kind === 'log' ? pmemlog.open(path, { engine }) : pmemblk.open(path, 0, { engine })).close()
        outcomes[kind + ' ' + engine] = 'made'
      } catch ({ code, message }) {
        outcomes[kind + ' ' + engine] = code + ' ' + message
      }
    }
  }
  console.log(JSON.stringify(outcomes))
`

async function outcomes(t: ExecutionContext, env: NodeJS.ProcessEnv): Promise<Record<string, string>> {
  const { status, stdout, stderr } = await ended(process.execPath, ['-e', program, root, folder(t)], env)
  t.is(status, 0, `${JSON.stringify(env)}: ${stderr}`)
  return JSON.parse(stdout)
}

const hasPmdk = capabilities.engines.includes('pmdk')

function values(t: ExecutionContext): Record<'CONF' | 'CONF_FILE', Record<'valid' | 'invalid', string[]>> {
  const where = folder(t)
  const file = (name: string, text: string) => {
    writeFileSync(join(where, name), text)
    return join(where, name)
  }
  mkdirSync(join(where, 'folder'))
  const valid = file('valid', '# what is said when a pool is opened\nprefault.at_open = 1;\ncopy_on_write.at_open=0 # no\n')
  const invalid = [file('invalid', 'prefault.at_open'), file('large', ' '.repeat(2 ** 20 + 1)), join(where, 'missing'), join(where, 'folder'), '', '\u{fc}']
  return {
    CONF: { valid: ['', 'prefault.at_open=1;prefault.at_create=0', ';;', 'unknown=1'], invalid: ['bogus', 'a=b=c', '=', 'a=', '\u{1}', valid] },
    CONF_FILE: { valid: [valid, file('empty', '')], invalid },
  }
}

for (const kind of ['log', 'blk'] as const) {
  linux(`an invalid configuration of libpmem${kind} is an error of who uses it`, async (t) => {
    for (const [suffix, { valid, invalid }] of Object.entries(values(t))) {
      const variable = `PMEM${kind.toUpperCase()}_${suffix}`
      for (const value of [...valid, ...invalid]) {
        const all = Object.entries(await outcomes(t, { [variable]: value }))
        t.is(all.length, hasPmdk ? 4 : 2)
        for (const [name, outcome] of all) {
          if (name === `${kind} pmdk` && invalid.includes(value)) {
            t.true(outcome.startsWith('EINVAL ') && outcome.includes(`variable ${variable} `), `${value}: ${outcome}`)
          } else {
            t.is(outcome, 'made', `${variable}=${value}: ${name}`)
          }
        }
      }
    }
  })
}

linux('other variables of the NVM Library may hold anything', async (t) => {
  const names = 'IS_PMEM_FORCE MOVNT_THRESHOLD MMAP_HINT NO_FLUSH AVX AVX512F MOVDIR64B NO_MOVNT NO_CLWB NO_CLFLUSHOPT LOG_LEVEL LOG_FILE'
  const variables = [...names.split(' ').map((name) => `PMEM_${name}`), 'PMEMLOG_LOG_LEVEL', 'PMEMBLK_LOG_FILE']
  for (const value of ['', 'bogus', '-1', '/nonexistent/file', '99999999999999999999']) {
    const all = Object.values(await outcomes(t, Object.fromEntries(variables.map((name) => [name, value]))))
    t.deepEqual(all.filter((outcome) => outcome !== 'made'), [])
  }
})
