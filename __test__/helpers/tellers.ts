/** Programs that tell lines until they are killed. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { ExecutionContext } from 'ava'
import { program } from './programs.js'

export interface Teller {
  readonly child: ChildProcess
  /** What it has told. */
  readonly lines: string[]
  /** Kills it, and takes what it had told. */
  kill(): Promise<void>
}

/** How many processes a test of kills kills. */
export const KILLS = Number(process.env.PMEM_TEST_KILLS ?? 20)

/** Starts a program, which is gone after the test. */
export function start(t: ExecutionContext, name: string, ...args: string[]): Teller {
  const child = spawn(process.execPath, [program(name), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  const lines: string[] = []
  let rest = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    // What comes without an end was cut by the kill.
    rest = parts.pop()!
    lines.push(...parts)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  const closed = once(child, 'close')
  const kill = async () => {
    t.is(child.exitCode, null, errors)
    child.kill('SIGKILL')
    await closed
    t.is(errors, '')
  }
  return { child, lines, kill }
}
