/** The command line, in processes of its own. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { root } from './programs.js'

const main = join(root, 'dist/ts/cli/main.js')

/** What a call printed, and its exit status. */
export interface Called {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Calls it in a folder; `input` is its standard input. As another user, where one is given. */
export function call(folder: string, args: readonly string[], input: string | Buffer = '', user?: number): Called {
  const identity = user === undefined ? {} : { uid: user, gid: user }
  return spawnSync(process.execPath, [main, ...args], { cwd: folder, input, encoding: 'utf8', maxBuffer: 1 << 28, ...identity })
}

/** Calls it, and asserts that it went well; what it printed. */
export function done(t: ExecutionContext, folder: string, args: readonly string[], input?: string | Buffer): string {
  const { status, stdout, stderr } = call(folder, args, input)
  t.is(status, 0, `pmem ${args.join(' ')}: ${stderr}`)
  t.is(stderr, '')
  return stdout
}

/** Calls it, and asserts that it fails with a status and one line that says why. */
export function failed(t: ExecutionContext, folder: string, args: readonly string[], status: number, why: RegExp, input?: string | Buffer): void {
  const ended = call(folder, args, input)
  const [first = '', ...others] = ended.stderr.trimEnd().split('\n')
  t.is(ended.status, status, `pmem ${args.join(' ')}: ${ended.stderr}`)
  t.regex(first, /^pmem: /)
  t.regex(first, why)
  t.true(others.every((line) => line.startsWith('See npx pmem')), ended.stderr)
}

/** Starts it, to be ended by the test. */
export function started(t: ExecutionContext, folder: string, args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [main, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

/** Resolves once a process has printed so much. */
export function printed(child: ChildProcess, wanted: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout!.setEncoding('utf8').on('data', (part: string) => {
      text += part
      if (text.includes(wanted)) resolve(text)
    })
    child.once('close', () => reject(new Error(`it ended with '${text}' and without '${wanted}'`)))
  })
}
