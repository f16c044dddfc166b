/** Making files where little is allowed, in other processes: whatever fails, no half of it is left behind. */

import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { folder, othersReach } from './helpers/files.js'
import { linux } from './helpers/linux.js'
import { ended, root } from './helpers/programs.js'

/** Makes one file of each kind in a folder, after `prepare`, and prints a code for each: `made`, or that of the error. */
const program = (prepare = '') => `
  const { capabilities, pmem, pmemblk, pmemlog } = require(process.argv[1])
  const { join } = require('node:path')
  const fs = require('node:fs')
  const folder = process.argv[2]
  const ways = { region: (path) => pmem.mapFile(path, { length: 4096, create: true }) }
  for (const engine of capabilities.engines) {
    ways['log ' + engine] = (path) => pmemlog.create(path, undefined, { engine, sparse: true })
    ways['blocks ' + engine] = (path) => pmemblk.create(path, 512, undefined, { engine, sparse: true })
  }
  function codeOf(act) {
    try {
      act().close()
      return 'made'
    } catch (error) {
      return error.code
    }
  }
  ${prepare}
  console.log(JSON.stringify(Object.entries(ways).map(([name, make]) => [name, codeOf(() => make(join(folder, name)))])))
`

async function outcomes(t: ExecutionContext, where: string, source: string, env = {}, how = {}): Promise<[name: string, code: string][]> {
  const { status, stdout, stderr } = await ended(process.execPath, ['-e', source, root, where], env, how)
  t.is(status, 0, stderr)
  return JSON.parse(stdout)
}

function preloaded(t: ExecutionContext, name = 'refusing'): string {
  const object = join(folder(t), `${name}.so`)
  const source = join(root, `__test__/c/${name}.c`)
  execFileSync('cc', ['-std=gnu11', '-Wall', '-Werror', '-shared', '-fPIC', '-o', object, source])
  return object
}

function allMade(t: ExecutionContext, made: [name: string, code: string][], where: string): void {
  t.true(made.length >= 3)
  t.deepEqual(made.filter(([, code]) => code !== 'made'), [])
  t.deepEqual(readdirSync(where).sort(), made.map(([name]) => name).sort())
}

for (const code of ['EPERM', 'EOPNOTSUPP', 'ENOSYS', 'EACCES'] as const) {
  linux(`where linkat is refused, everything can be made: ${code}`, async (t) => {
    const where = folder(t)
    const env = { LD_PRELOAD: preloaded(t), REFUSE_LINKS: `${constants.errno[code]}` }
    allMade(t, await outcomes(t, where, program(), env), where)
    const again = await outcomes(t, where, program("delete ways.region; ways.region = (path) => pmem.mapFile(path, { length: 4096, create: true, exclusive: true })"), env)
    t.deepEqual(again.filter(([, outcome]) => outcome !== 'EEXIST'), [])
  })
}

for (const code of ['EINVAL', 'EOPNOTSUPP'] as const) {
  linux(`where folders cannot be synced, everything can be made: ${code}`, async (t) => {
    const where = folder(t)
    const env = { LD_PRELOAD: preloaded(t), REFUSE_FOLDER_SYNCS: `${constants.errno[code]}` }
    allMade(t, await outcomes(t, where, program(), env), where)
  })
}

linux('a folder whose sync fails gets nothing', async (t) => {
  const where = folder(t)
  const made = await outcomes(t, where, program(), { LD_PRELOAD: preloaded(t), REFUSE_FOLDER_SYNCS: `${constants.errno.EIO}` })
  t.deepEqual(made.filter(([, code]) => code !== 'EIO'), [])
  t.deepEqual(readdirSync(where), [])
})

linux('in a folder that may be written and not read everything can be made', async (t) => {
  if (process.getuid?.() !== 0) return void t.pass('another user is needed, which only root can be')
  const outer = folder(t)
  if (!othersReach(outer, join(root, 'dist'))) return void t.pass('no other user reaches the files of this test')
  const where = join(outer, 'mail')
  mkdirSync(where)
  chmodSync(outer, 0o755)
  chmodSync(where, 0o1733)
  allMade(t, await outcomes(t, where, program(), {}, { uid: 65_534, gid: 65_534 }), where)
})

linux('with few descriptors left a file is made, or not there', async (t) => {
  const where = folder(t)
  const seen = new Set<string>()
  for (let left = 0; left < 16; left += 1) {
    const exhaust = `
      const taken = []
      try { for (;;) taken.push(fs.openSync('/dev/null')) } catch {}
      for (const descriptor of taken.slice(0, ${left})) fs.closeSync(descriptor)
      for (const [name, make] of Object.entries(ways)) {
        ways[name] = (path) => make(path + ' ${left}')
      }
    `
    const limited = `ulimit -n 100; exec "$0" "$@"`
    const source = `${program(exhaust)}`
    const { status, stdout, stderr } = await ended('sh', ['-c', limited, process.execPath, '-e', source, root, where])
    t.is(status, 0, stderr)
    const there = readdirSync(where)
    for (const [name, code] of JSON.parse(stdout) as [string, string][]) {
      seen.add(code)
      t.is(there.includes(`${name} ${left}`), code === 'made', `${name}, ${left} left: ${code}`)
    }
  }
  t.deepEqual([...seen].sort(), ['EMFILE', 'made'])
})

const INTERRUPTIONS = { 'before they did anything': {}, 'after they named a file': { INTERRUPT_LINKS_AFTER: '1' }, 'also of locks': { INTERRUPT_LOCKS: '1' } }

for (const [name, interruptions] of Object.entries(INTERRUPTIONS)) {
  linux(`calls that signals interrupt are made again: ${name}`, async (t) => {
    const where = folder(t)
    const use = `
      for (const [name, make] of Object.entries(ways)) {
        if (process.env.INTERRUPT_LOCKS && name.endsWith('pmdk')) {
          delete ways[name]
          continue
        }
        ways[name] = (path) => {
          const made = make(path)
          for (let round = 0; round < 3; round += 1) {
            if (name === 'region') made.persist()
            else if (name.startsWith('log')) made.append('x')
            else made.write('x', 0)
          }
          made.close()
          const engine = name.split(' ')[1]
          return name === 'region' ? pmem.map(path) : name.startsWith('log') ? pmemlog.open(path, { engine }) : pmemblk.open(path, 0, { engine })
        }
      }
    `
    const env = { LD_PRELOAD: preloaded(t, 'interrupting'), ...interruptions }
    allMade(t, await outcomes(t, where, program(use), env), where)
  })
}
