// npm run bench [-- filter]: sets up what is missing and measures the package against C programs that do the same, in
// turns. The filter is a part of the names of the operations wanted.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync } from 'node:fs'
import os from 'node:os'
import { join, parse } from 'node:path'
import { matrix, withFolder } from './lib/matrix.mjs'
import { main, root, run, step, StepError } from './lib/run.mjs'
import { setUp } from './lib/setup.mjs'

const sources = join(root, 'bench/c')
const programs = join(root, 'build/bench/c')

/** Each file beside the harness is a program. */
async function buildPrograms() {
  mkdirSync(programs, { recursive: true })
  for (const { name, ext, base } of readdirSync(sources).map((file) => parse(file))) {
    if (ext !== '.c' || name === 'harness') continue
    const args = ['-O2', '-Wall', '-Wextra', '-Werror', '-o', join(programs, name), base, 'harness.c']
    args.push('-Wl,--as-needed', '-lpmemlog', '-lpmemblk', '-lpmem')
    await step(`C program: ${name}`, 'cc', args, { cwd: sources })
  }
}

/** Memory as persistent memory, and a disk as it is: both as the tests have them. */
function places() {
  return matrix().filter(({ folder, env }) => {
    const forced = env.PMEM_IS_PMEM_FORCE === '1'
    return env.PMEM_NO_EXTERNAL_BUFFERS === undefined && forced === (folder === '/dev/shm')
  })
}

async function measure(folder, { label, env }) {
  const { output } = await run('df', ['--output=fstype', folder])
  const place = `${label} (${output.trim().split('\n').at(-1)})`
  const args = [join(root, 'build/bench/main.mjs'), folder, place, ...process.argv.slice(2, 3)]
  const { status } = spawnSync(process.execPath, args, { env: { ...process.env, ...env }, stdio: 'inherit' })
  if (status !== 0) throw new StepError(`The benchmarks failed: ${label}`)
}

await main(async () => {
  if (!(await setUp())) throw new StepError('The benchmarks compare with libpmem, which is not installed')
  await buildPrograms()
  console.log(`\n${os.cpus()[0]?.model}, ${os.type()} ${os.release()}, Node.js ${process.version}`)
  for (const place of places()) await withFolder(place.folder, (folder) => measure(folder, place))
})
