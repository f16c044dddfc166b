/** The native module: what it needs of the machine, and what is said where it is missing. */

import { execFileSync } from 'node:child_process'
import { cpSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import test from 'ava'
import { pmem } from 'pmem'
import { file, folder } from './helpers/files.js'
import { linux } from './helpers/linux.js'
import { ended, root } from './helpers/programs.js'

/** The native module in use. */
function loaded(): string {
  return Object.keys(require.cache).find((name) => name.endsWith('.node')) ?? ''
}

/** What every system with the C library has. */
const SYSTEM = /^(linux-vdso|libc|libm|libdl|librt|libpthread|libgcc_s|ld-linux[-\w]*)\.so\.\d+$/

linux('it needs the C library and its kin alone', (t) => {
  const needed = execFileSync('ldd', [loaded()], { encoding: 'utf8' }).trimEnd().split('\n')
  const names = needed.map((line) => basename(line.trim().split(' ')[0] ?? ''))
  t.true(names.includes('libc.so.6'), names.join())
  t.deepEqual(names.filter((name) => !SYSTEM.test(name)), [])
})

test('it has the version of the package, in every place that says so', (t) => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
  t.is((require(loaded()) as { nativeVersion(): string }).nativeVersion(), version)
  t.true(readFileSync(join(root, 'ts/shared/native.ts'), 'utf8').includes(`const VERSION = '${version}'`))
})

test('NAPI_RS_NATIVE_LIBRARY_PATH chooses it', async (t) => {
  const chosen = join(folder(t), 'chosen.node')
  cpSync(loaded(), chosen)
  const script = `require(process.argv[1]); console.log(Object.keys(require.cache).filter((name) => name.endsWith('.node')).join())`
  const { stdout, stderr } = await ended(process.execPath, ['-e', script, root], { NAPI_RS_NATIVE_LIBRARY_PATH: chosen })
  t.is(stdout, `${chosen}\n`, stderr)
})

linux('it works without loading a library of the NVM Library', (t) => {
  const region = pmem.map(file(t))
  region.copyFrom('flushed')
  region.close()
  t.notRegex(readFileSync('/proc/self/maps', 'utf8'), /libpmem|libndctl|libdaxctl/)
})

test('its absence is explained', async (t) => {
  const here = folder(t)
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] }
  for (const name of ['package.json', ...files.filter((entry) => /^dist|^binding/.test(entry))]) {
    cpSync(join(root, name), join(here, name), { recursive: true })
  }
  const script = `try { require(process.argv[1]) } catch (error) { console.log(JSON.stringify([error.code, error.message, !!error.cause])) }`
  const { status, stdout, stderr } = await ended(process.execPath, ['-e', script, here], { NAPI_RS_NATIVE_LIBRARY_PATH: undefined })
  t.is(status, 0, stderr)
  const [code, message, cause] = JSON.parse(stdout) as [string, string, boolean]
  t.is(code, 'ERR_PMEM_UNSUPPORTED')
  t.true(message.includes(`pmem-${process.platform}-${process.arch}`), message)
  t.true(cause)
})
