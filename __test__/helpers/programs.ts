/** Programs (`../programs`) in processes of their own, on any release of Node.js that the suite covers. */

import { type SpawnOptions, execFileSync, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { ExecutionContext } from 'ava'

export const root = dirname(require.resolve('pmem/package.json'))

/** The file of a program. */
export function program(name: string): string {
  return join(root, 'build/__test__/programs', name)
}

/** Compiles an object that is preloaded into a process (`../c`), into a folder; its path. */
export function compiledObject(folder: string, name: string): string {
  const object = join(folder, `${name}.so`)
  const source = join(root, '__test__/c', `${name}.c`)
  execFileSync('cc', ['-std=gnu11', '-Wall', '-Werror', '-shared', '-fPIC', '-o', object, source], { stdio: 'pipe' })
  return object
}

export interface How {
  /** The binary of Node.js; this process's own by default. */
  node?: string
  env?: NodeJS.ProcessEnv
}

/** Runs a program to its end, asserts that it went well, and gives what it printed, a JSON value. */
export async function run(t: ExecutionContext, name: string, args: readonly string[], how: How = {}): Promise<unknown> {
  const { status, stdout, stderr } = await ended(how.node ?? process.execPath, ['--expose-gc', program(name), ...args], how.env)
  t.is(status, 0, `${[name, ...args.map((arg) => basename(arg))].join(' ')}: ${stderr}`)
  return JSON.parse(stdout)
}

interface Ended {
  /** The exit code, or the signal that ended the process. */
  status: number | string | null
  stdout: string
  stderr: string
}

/** Runs a command to its end. */
export function ended(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}, how: SpawnOptions = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...how, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ status: signal ?? code, stdout, stderr }))
  })
}

/** The Node.js binaries to test on, by name: all that `test-runtimes` pins, where they exist for this platform. */
export function runtimes(): Map<string, string> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return new Map([['this Node.js', process.execPath]])
  const folder = join(root, 'test-runtimes')
  const { devDependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { devDependencies: object }
  const binary = (name: string) => join(folder, 'node_modules', name, 'bin/node')
  const releases = Object.keys(devDependencies).filter((name) => name.startsWith('node'))
  const found = new Map(releases.map((name) => [name, binary(name)]))
  for (const path of found.values()) if (!existsSync(path)) throw new Error(`${path} is missing: run npm ci in test-runtimes`)
  return found
}
