import { cpSync, existsSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { withFolder } from '../matrix.mjs'
import { root, run, StepError } from '../run.mjs'
import { withRegistry } from './registry.mjs'

/** Programs that are run where the package is installed, and the tools that they take. */
export const sources = join(root, 'test-package')

/** The binary of a target where its package is installed. */
export const installedBinary = (project, { name }) => join(project, 'node_modules', `pmem-${name}`, `pmem.${name}.node`)

/** Calls `work` with a user on this machine, whose registry is one that has what is packed. */
export function withUser(work) {
  return withFolder(realpathSync(tmpdir()), (folder) => withRegistry((registry) => work(newUser(folder, registry))))
}

/** A user has no program on the PATH, nor anything else of the environment that may stem from a developer. */
function newUser(folder, registry) {
  const env = {
    ...Object.fromEntries(Object.keys(process.env).map((key) => [key, undefined])),
    PATH: join(folder, 'nothing'),
    // Windows cannot do without it.
    SystemRoot: process.env.SystemRoot,
    ...Object.fromEntries(['HOME', 'USERPROFILE', 'TMPDIR', 'TEMP', 'TMP'].map((key) => [key, folder])),
    npm_config_registry: registry,
    npm_config_cache: join(folder, 'cache'),
    npm_config_update_notifier: 'false',
  }
  const add = (project, ...args) => npmInstall(project, args, env)
  return { folder, env, add, install: (project, target) => install(project, target, add) }
}

/** Installs the package as on a target's platform into a new project, with the programs beside it; resolves to its folder. */
async function install(project, { platform: { os, cpu, libc } }, add) {
  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'empty', private: true }))
  await add(project, 'pmem', `--os=${os}`, `--cpu=${cpu}`, ...(libc ? [`--libc=${libc}`] : []))
  for (const name of ['programs', 'types', 'typescript', 'test-runners', 'bundle']) cpSync(join(sources, name), join(project, name), { recursive: true })
  return project
}

/** Installs packages into a project. */
async function npmInstall(project, args, env) {
  const { ok, output } = await run(process.execPath, [npm(), 'install', ...args, '--no-audit', '--no-fund'], { cwd: project, env })
  if (!ok) throw new StepError(`npm install ${args.join(' ')} failed:\n${output}`)
}

/** The program behind the command, which started this script if it is an npm script. */
function npm() {
  const candidates = process.env.PATH.split(delimiter).map((folder) => join(folder, 'npm'))
  const found = process.env.npm_execpath ?? candidates.find((file) => existsSync(file))
  if (!found) throw new StepError('npm is not on the PATH')
  return realpathSync(found)
}
