import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { installDebian, mayInstall } from '../debian.mjs'
import { root, run, step, StepError } from '../run.mjs'

/** What the checkout keeps for itself of tools for other platforms. */
export const tools = join(root, '.tools')

/** Something for another platform cannot be had on this machine. */
export class Unavailable extends StepError {}

/** Runs a step that gets a tool; where it fails, so does what needs the tool. */
export async function obtain(what, label, command, args, options) {
  try {
    await step(label, command, args, options)
  } catch (error) {
    throw new Unavailable(`${what} cannot be had: ${error.message}`)
  }
}

/** Does the work that fills a folder of `tools`, once; `work` gets its path. */
export async function folderOf(name, work) {
  const folder = join(tools, name)
  const stamp = join(folder, '.complete')
  if (existsSync(stamp)) return folder
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  await work(folder)
  writeFileSync(stamp, '')
  return folder
}

/** The Python environment of requirements.txt: zig, cargo-zigbuild and the reader of binaries; resolves to its commands' folder. */
export async function python() {
  const folder = await folderOf('python', async (path) => {
    const what = 'The Python tools'
    await obtain(what, 'Python environment', 'python3', ['-m', 'venv', path])
    const args = ['install', '--quiet', '--disable-pip-version-check', '--requirement', join(root, 'scripts/lib/packages/requirements.txt')]
    await obtain(what, 'zig, cargo-zigbuild, lief', join(path, 'bin/pip'), args)
  })
  return join(folder, 'bin')
}

/** The platforms for which Rust's standard library is installed. */
export async function rustTargets() {
  const { stdout } = await run('rustc', ['--print', 'sysroot'])
  return readdirSync(join(stdout.trim(), 'lib/rustlib'))
}

/** Rust's standard library for another platform. */
export async function rustTarget(triple) {
  if ((await rustTargets()).includes(triple)) return
  if (!mayInstall()) throw new Unavailable(`Rust's library for ${triple} is not installed, and PMEM_NO_INSTALL is set`)
  await obtain(`Rust's library for ${triple}`, `rustup target ${triple}`, 'rustup', ['target', 'add', triple])
}

/** Debian packages that are installed on the machine. */
export async function debian(...packages) {
  if (await installDebian(packages)) return
  throw new Unavailable(`the Debian packages ${packages.join(', ')} are not installed and cannot be: that takes root`)
}

/**
 * Debian packages, unpacked in a folder of their own: also those of another architecture, or with another `suite` of the
 * machine's own Debian, since nothing of it is installed. Resolves to that folder's `root`.
 */
export async function unpackedDebian(name, packages, { architecture, suite } = {}) {
  const folder = await folderOf(name, async (path) => download(path, name, packages, architecture, suite && (await sources(suite))))
  return join(folder, 'root')
}

async function download(folder, name, packages, architecture, sourceList) {
  const what = `${packages.join(', ')} (${name})`
  const cwd = join(folder, 'packages')
  for (const path of ['state/lists/partial', 'cache/archives/partial', 'packages']) {
    mkdirSync(join(folder, path), { recursive: true })
  }
  const settings = { 'Dir::State': join(folder, 'state'), 'Dir::State::status': '/dev/null', 'Dir::Cache': join(folder, 'cache') }
  if (architecture) Object.assign(settings, { 'APT::Architecture': architecture, 'APT::Architectures': architecture })
  if (sourceList) {
    const file = join(folder, 'sources.list')
    writeFileSync(file, sourceList)
    Object.assign(settings, { 'Dir::Etc::sourcelist': file, 'Dir::Etc::sourceparts': '/dev/null' })
  }
  const options = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`])
  await obtain(what, `Debian package lists: ${name}`, 'apt-get', [...options, 'update'])
  await obtain(what, packages.join(' '), 'apt-get', [...options, 'download', ...packages], { cwd })
  for (const file of readdirSync(cwd)) {
    await obtain(what, file, 'dpkg-deb', ['--extract', file, join(folder, 'root')], { cwd })
  }
  for (const path of ['state', 'cache', 'packages']) rmSync(join(folder, path), { recursive: true })
}

/** A list of sources with `suite`, from where the machine gets its own Debian packages. */
async function sources(suite) {
  const { stdout } = await run('apt-get', ['indextargets', '--format', '$(REPO_URI) $(COMPONENT)', 'Created-By: Packages', 'Label: Debian'])
  const address = stdout.split('\n').find((line) => line.endsWith(' main'))
  if (!address) throw new Unavailable(`No source of Debian packages is known, and so none of its suite ${suite}`)
  return `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${address.replace(' ', ` ${suite} `)}\n`
}

/** A package of the npm registry that is meant for another platform; resolves to its folder. */
export async function npmPackage(name, version) {
  const folder = await folderOf(`${name}-${version}`, (path) => {
    const args = ['install', '--force', '--no-save', '--loglevel=error', '--prefix', path, `${name}@${version}`]
    return obtain(name, `${name} ${version}`, 'npm', args)
  })
  return join(folder, 'node_modules', name)
}
