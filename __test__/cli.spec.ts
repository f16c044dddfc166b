import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { call, done, failed, printed, started } from './helpers/cli.js'
import { folder } from './helpers/files.js'
import { root } from './helpers/programs.js'

test('all commands are listed, and each has its help', (t) => {
  const here = folder(t)
  const overview = done(t, here, ['--help'])
  const names = [...overview.matchAll(/^ {2}((?:[a-z]+ ?)+?)(?= [A-Z[]|  )/gm)].map(([, name]) => name!.trim())
  t.true(names.length > 30, names.join())
  for (const name of names) {
    const help = done(t, here, [...name.split(' '), '--help'])
    t.true(help.includes(`Usage: npx pmem ${name}`) && help.includes(`  npx pmem ${name}`), help)
  }
  t.is(call(here, []).status, 2)
  t.is(call(here, []).stdout, overview)
  t.true(done(t, here, ['help', 'log']).includes('log tail'))
  t.false(done(t, here, ['log', '--help']).includes('blk'))
})

test('it says its version', (t) => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  t.is(done(t, folder(t), ['--version']), `${version}\n`)
})

test('what it is called with is checked, and nothing is made', (t) => {
  const here = folder(t)
  failed(t, here, ['nothing'], 2, /there is no command 'nothing'/)
  failed(t, here, ['log', 'nothing'], 2, /there is no command 'log nothing'$/)
  failed(t, here, ['objects', 'check', 'x'], 2, /there is no command 'objects check', but npx pmem check$/)
  failed(t, here, ['log', 'cat'], 2, /FILE is missing/)
  failed(t, here, ['log', 'cat', 'a', 'b'], 2, /1 arguments too many/)
  failed(t, here, ['log', 'cat', '--wrong', 'a'], 2, /--wrong/)
  failed(t, here, ['log', 'create', 'a', '--size'], 2, /--size/)
  failed(t, here, ['log', 'create', 'a', '--size', '8 horses'], 2, /--size is a size such as 8MiB/)
  failed(t, here, ['log', 'create', 'a', '--size', '1'], 1, /ERR_OUT_OF_RANGE|EINVAL/)
  failed(t, here, ['blk', 'read', 'a', 'one'], 2, /INDEX is a whole number/)
  failed(t, here, ['log', 'cat', 'missing'], 1, /ENOENT.*missing/)
  t.false(existsSync(join(here, 'a')))
})

test('the inspector is a package of its own', (t) => {
  const here = folder(t)
  done(t, here, ['log', 'create', 'a.log'])
  failed(t, here, ['inspect', 'a.log'], 2, /pmem-inspect is not installed: npm install pmem-inspect/)
  failed(t, here, ['inspect', '--port', '65536', 'a.log'], 2, /--port is at most 65535/)
})

test('whoever reads only the beginning hears of no error', async (t) => {
  const here = folder(t)
  done(t, here, ['log', 'create', 'a.log', '--size', '4MiB'])
  done(t, here, ['log', 'append', 'a.log'], Buffer.alloc(3 << 20, 'text\n'))
  const child = started(t, here, ['log', 'cat', 'a.log'])
  await printed(child, 'text')
  child.stdout!.destroy()
  let errors = ''
  child.stderr!.on('data', (text) => (errors += text))
  t.deepEqual(await once(child, 'close'), [0, null])
  t.is(errors, '')
})

test('an interrupt ends what follows, without a word', async (t) => {
  const here = folder(t)
  done(t, here, ['journal', 'append', 'events', 'one'])
  const child = started(t, here, ['journal', 'tail', '-f', 'events'])
  await printed(child, 'one\n')
  done(t, here, ['journal', 'append', 'events', 'two'])
  await printed(child, 'two\n')
  child.kill('SIGINT')
  t.deepEqual(await once(child, 'close'), [null, 'SIGINT'])
  t.is(child.stderr!.read(), null)
})

test('there are no colours where no terminal is', (t) => {
  const here = folder(t)
  done(t, here, ['log', 'create', 'a.log'])
  // oxlint-disable-next-line no-control-regex -- it is looked for
  t.notRegex(done(t, here, ['info', 'a.log']), /\u001b/)
})

test('the package loads nothing of it', (t) => {
  const code = "require('pmem'); console.log(Object.keys(require.cache).filter((name) => name.includes('ts/cli')).length)"
  t.is(spawnSync(process.execPath, ['-e', code], { cwd: root, encoding: 'utf8' }).stdout, '0\n')
})
