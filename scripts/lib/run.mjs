import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'

export const root = fileURLToPath(new URL('../../', import.meta.url))

/** The path of a command that a development dependency brings. */
export const bin = (name) => join(root, 'node_modules/.bin', name)

/**
 * Runs a command without input and resolves, also when it fails, to `{ ok, stdout, output }`: output is everything. It is
 * ended after `timeout` milliseconds, where that is given.
 */
export function run(command, args, { cwd = root, env, timeout } = {}) {
  return new Promise((resolve) => {
    const options = { cwd, env: { ...process.env, ...env }, timeout, killSignal: 'SIGKILL' }
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text) => ((stdout += text), (output += text)))
    child.stderr.setEncoding('utf8').on('data', (text) => (output += text))
    child.on('error', (error) => resolve({ ok: false, stdout: '', output: error.message }))
    child.on('close', (code, signal) => {
      if (signal) output += `\nended by ${signal}`
      resolve({ ok: code === 0, stdout: stripVTControlCharacters(stdout), output: stripVTControlCharacters(output) })
    })
  })
}

/** Runs a command and says in one line how it went; `describe` turns its result into words. */
export async function report(label, command, args, options, describe) {
  const start = performance.now()
  process.stdout.write(`${label} ... `)
  const result = await run(command, args, options)
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  console.log(`${describe(result)} (${seconds} s)`)
  return result
}

export class StepError extends Error {}

/** Runs a command that everything after it needs: throws a StepError with its output when it fails. */
export async function step(label, command, args, options) {
  const result = await report(label, command, args, options, ({ ok }) => (ok ? 'done' : 'FAILED'))
  if (!result.ok) throw new StepError(result.output.trim())
}

/** Runs a script's work; a failed step ends it with the step's output alone, without a stack trace. */
export async function main(work) {
  try {
    await work()
  } catch (error) {
    console.error(error instanceof StepError ? error.message : error)
    process.exitCode = 1
  }
}
