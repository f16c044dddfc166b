/** The NVM Library itself, through small C programs, and its tool `pmempool`: what every engine is compared with. */

import { type SpawnSyncReturns, execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { hasPmempool, inconsistency } from './pmempool.js'
import { eachEngine, skipped } from './pools.js'

const sources = join(dirname(require.resolve('pmem/package.json')), '__test__/c')
const programs = mkdtempSync(join(tmpdir(), 'pools-c-'))
process.on('exit', () => rmSync(programs, { recursive: true, force: true }))

/** Compiles both programs; what is in the way, if anything. */
function compile(): string | undefined {
  try {
    for (const name of ['log', 'blk']) {
      const source = join(sources, `${name}.c`)
      execFileSync('cc', ['-std=gnu11', '-Wall', '-Werror', '-o', join(programs, name), source, `-lpmem${name}`], { stdio: 'pipe' })
    }
    return undefined
  } catch (error) {
    const { stderr, message } = error as { stderr?: Buffer; message: string }
    // A library that is missing is a reason to skip; a program that is wrong is not.
    if (/No such file or directory|cannot find|ENOENT/.test(`${stderr}${message}`)) return 'libpmemlog and libpmemblk are not installed'
    throw error
  }
}

/** What is in the way of programs in C, if anything. */
export const missing = compile()

/** A test over each engine that needs the NVM Library. */
export function eachEngineWithC(title: string, body: Parameters<typeof eachEngine>[1]): void {
  if (missing === undefined) eachEngine(title, body)
  else skipped(title, missing)
}

function checked({ status, signal, stdout, stderr }: SpawnSyncReturns<string>): string[] {
  if (signal || (status !== 0 && status !== 1)) throw new Error(`the C program ended with ${signal ?? status}: ${stderr}`)
  return stdout.split('\n').slice(0, -1)
}

/** Runs a script in C: one answer a command, after that of opening. */
export function inC(kind: 'log' | 'blk', args: readonly (string | number)[], script: readonly string[] = [], env: NodeJS.ProcessEnv = {}): string[] {
  const input = script.map((line) => `${line}\n`).join('')
  const options = { input, encoding: 'utf8', maxBuffer: 2 ** 30, env: { ...process.env, ...env } } as const
  return checked(spawnSync(join(programs, kind), args.map(String), options))
}

/** Keeps a pool open in C; resolves, once it is, to what closes it. */
export async function holdInC(t: ExecutionContext, kind: 'log' | 'blk', args: readonly (string | number)[]): Promise<() => Promise<void>> {
  const child = spawn(join(programs, kind), args.map(String), { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => void child.kill())
  const [answer] = (await Promise.race([
    new Promise((resolve) => child.stdout.setEncoding('utf8').once('data', (text) => resolve([text]))),
    new Promise((_, reject) => child.once('error', reject)),
  ])) as [string]
  t.is(answer, 'ok\n')
  return () => {
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.stdin.end()
    return ended
  }
}

/** That the NVM Library's tool finds a closed pool consistent, where it is installed. */
export function isConsistent(t: ExecutionContext, path: string): void {
  if (hasPmempool) t.is(inconsistency(path), undefined)
  else t.pass()
}
