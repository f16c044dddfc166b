import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { installDebian } from './debian.mjs'
import { StepError, root, run, step } from './run.mjs'

/** What the checkout keeps for itself of tools that are not installed. */
const tools = join(root, '.tools')

/** A tool cannot be had on this machine. */
export class Unavailable extends StepError {}

/** What `get` resolves to; undefined where that needs a tool which cannot be had, and then it says so. */
export async function ifAvailable(get) {
  try {
    return await get()
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
    console.log(`SKIPPED: ${error.message}`)
    return undefined
  }
}

/** Runs a step that gets a tool; where it fails, so does what needs the tool. */
export async function obtain(what, label, command, args, options) {
  try {
    await step(label, command, args, options)
  } catch (error) {
    throw new Unavailable(`${what} cannot be had: ${error.message}`)
  }
}

/** Does the work that fills a folder of `tools`, once for each version; `work` gets its path. */
export async function folderOf(name, work, version = '') {
  const folder = join(tools, name)
  const stamp = join(folder, '.version')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === version) return folder
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  await work(folder)
  writeFileSync(stamp, version)
  return folder
}

/** A Python environment with what a file names, from PyPI, built in `env`; resolves to the folder of its commands. */
export async function pythonEnvironment(name, requirements, env) {
  const wanted = readFileSync(requirements, 'utf8')
  const folder = await folderOf(name, (path) => makePython(path, requirements, wanted, env), wanted)
  return join(folder, 'bin')
}

async function makePython(folder, requirements, wanted, env) {
  const what = wanted.trim().split(/==.*\n?/).filter(Boolean).join(', ')
  // Debian has what makes environments in a package of its own.
  if (!(await run('python3', ['-c', 'import ensurepip, venv'])).ok && !(await installDebian(['python3-venv']))) {
    throw new Unavailable(`${what}: python3-venv is not installed and cannot be: that takes root`)
  }
  await obtain(what, 'Python environment', 'python3', ['-m', 'venv', folder])
  const args = ['install', '--quiet', '--disable-pip-version-check', '--requirement', requirements]
  await obtain(what, what, join(folder, 'bin/pip'), args, { env })
}

/** A program in Go, built from its module; resolves to its path. */
export async function goProgram(name, module, version) {
  // Where Go is installed by hand it is often not in PATH.
  const env = { PATH: [process.env.PATH, '/usr/local/go/bin'].join(delimiter), GOFLAGS: '-p=1', GOTOOLCHAIN: 'local', CGO_ENABLED: '0' }
  const build = (GOBIN) => obtain(name, `${name} ${version}`, 'go', ['install', `${module}@v${version}`], { env: { ...env, GOBIN } })
  return join(await folderOf(name, build, version), name)
}
