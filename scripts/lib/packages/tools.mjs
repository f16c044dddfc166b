import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { installDebian, mayInstall } from '../debian.mjs'
import { root, run } from '../run.mjs'
import { Unavailable, folderOf, obtain, pythonEnvironment } from '../tools.mjs'

/** What builds for other platforms and reads binaries, from PyPI: zig, cargo-zigbuild, lief. Resolves to the commands' folder. */
export const python = () => pythonEnvironment('python', join(root, 'scripts/lib/packages/requirements.txt'))

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
  const folder = await folderOf(name, async (path) => {
    await download(path, name, packages, architecture, suite && (await sources(suite)))
  })
  return join(folder, 'root')
}

async function download(folder, name, packages, architecture, sourceList) {
  const what = `${packages.join(', ')} (${name})`
  const cwd = join(folder, 'packages')
  for (const path of ['state/lists/partial', 'cache/archives/partial', 'packages']) {
    mkdirSync(join(folder, path), { recursive: true })
  }
  const state = { 'Dir::State': join(folder, 'state'), 'Dir::State::status': '/dev/null' }
  const settings = { ...state, 'Dir::Cache': join(folder, 'cache') }
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
  const filters = ['Created-By: Packages', 'Label: Debian']
  const { stdout } = await run('apt-get', ['indextargets', '--format', '$(REPO_URI) $(COMPONENT)', ...filters])
  const address = stdout.split('\n').find((line) => line.endsWith(' main'))
  if (!address) throw new Unavailable(`No source of Debian packages is known, and so none of its suite ${suite}`)
  return `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${address.replace(' ', ` ${suite} `)}\n`
}

/** A package of the npm registry that is meant for another platform; resolves to its folder. */
export async function npmPackage(name, version) {
  const args = ['install', '--force', '--no-save', '--loglevel=error', `${name}@${version}`, '--prefix']
  const folder = await folderOf(name, (path) => obtain(name, `${name} ${version}`, 'npm', [...args, path]), version)
  return join(folder, 'node_modules', name)
}
