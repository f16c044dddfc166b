import test, { type ExecutionContext } from 'ava'
import { ended, program } from './helpers/programs.js'
import { folder } from './helpers/files.js'

/** How many orders of calls a test tries. `npm run fuzz -- --target javascript-calls` tries as many as time allows. */
const ROUNDS = 12

/** What is asked to be large is refused beyond 1 GiB, in blocks of 512 bytes. */
const LIMITED = 'ulimit -f 2097152; exec "$0" "$@"'

/** Nothing that is called in any order ends the process, throws what has no code, or changes what it was not given. */
async function fuzz(t: ExecutionContext, seed: number): Promise<void> {
  t.log(`seed ${seed}`)
  const args = [process.execPath, '--expose-gc', program('fuzz.js'), folder(t), String(seed), String(ROUNDS)]
  const { status, stdout, stderr } = await ended('sh', ['-c', LIMITED, ...args])
  t.is(status, 0, `seed ${seed}: ${stderr}`)
  t.true((JSON.parse(stdout) as { calls: number }).calls > ROUNDS * 20, stdout)
}

// The program is run in a shell that limits the size of its files.
const onUnix = process.platform === 'win32' ? test.skip : test.serial

onUnix('any calls in any order, always the same ones', (t) => fuzz(t, 1))

onUnix('any calls in any order, others each day', (t) => fuzz(t, Math.floor(Date.now() / 86_400_000)))
