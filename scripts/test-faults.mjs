// npm run test:faults [-- filter]: switches the deliberate faults on one at a time (`crates/pmem/src/os/deliberate.rs`) and
// prints which test of the core caught each first. One that no test catches is a failure.
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { main, root, step, StepError } from './lib/run.mjs'

/** Tests wait for each other where a fault keeps one of them from coming; that is no catch. */
const SECONDS = 300

function faults() {
  const source = readFileSync(join(root, 'crates/pmem/src/os/deliberate.rs'), 'utf8')
  const [, list] = /FAULTS: &\[&str\] = &\[([^\]]*)\]/.exec(source) ?? []
  return [...(list ?? '').matchAll(/"([^"]+)"/g)].map(([, name]) => name)
}

/** The test binary of the core without PMDK, whose own flush the faults are in too. */
function binary() {
  const args = ['test', '-p', 'pmem', '--lib', '--no-run', '--message-format=json']
  const { status, stdout, stderr } = spawnSync('cargo', args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 28 })
  if (status !== 0) throw new StepError(`The core's tests do not build:\n${stderr}`)
  const messages = stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line))
  return messages.find(({ profile, executable }) => profile?.test && executable).executable
}

/** The first test that fails with a fault switched on; null where none does. */
function catcher(executable, fault) {
  const env = { ...process.env, PMEM_DELIBERATE_FAULT: fault, RUST_BACKTRACE: '0' }
  const child = spawn(executable, ['--skip', 'deliberate::'], { cwd: join(root, 'crates/pmem'), env, stdio: ['ignore', 'pipe', 'ignore'] })
  const timer = setTimeout(() => child.kill('SIGKILL'), SECONDS * 1000)
  return new Promise((resolve) => {
    let found = null
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [, name] = /^test (\S+).* FAILED$/.exec(line) ?? []
      if (name === undefined || found !== null) return
      found = name
      child.kill('SIGKILL')
    })
    child.on('close', () => {
      clearTimeout(timer)
      resolve(found)
    })
  })
}

await main(async () => {
  await step('tests of the core', 'cargo', ['test', '-p', 'pmem', '--lib', '--no-run'])
  const [executable, filter] = [binary(), process.argv[2] ?? '']
  const wanted = faults().filter((name) => name.includes(filter))
  let missed = 0
  for (const fault of wanted) {
    const found = await catcher(executable, fault)
    missed += found === null ? 1 : 0
    console.log(`${fault}: ${found === null ? 'NOT CAUGHT' : `caught by ${found}`}`)
  }
  console.log(`${wanted.length - missed} passed, ${missed} failed`)
  if (missed > 0) throw new StepError('Some deliberate faults are caught by no test')
})
