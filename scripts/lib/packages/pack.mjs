import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { companionFolder, companions, setUpCompanion } from '../companions.mjs'
import { root, step } from '../run.mjs'
import { binaryOf, packageFolder } from './build.mjs'
import { notices } from './notices.mjs'
import { targets } from './targets.mjs'

/** Where the tarballs go. */
export const packed = join(root, 'dist-packages')

/** The notices of what is linked into a binary, beside those that the project has as files. */
export const THIRD_PARTY = 'LICENSE-THIRD-PARTY'

/** The package's own manifest. */
export const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** Packs the root package, the companions, and the packages of targets: by default, of all that are built. */
export async function packAll(built = targets.filter((target) => existsSync(binaryOf(target)))) {
  rmSync(packed, { recursive: true, force: true })
  mkdirSync(packed)
  await pack(stageRoot())
  for (const name of companions) await pack(await stageCompanion(name))
  for (const target of built) await pack(await stagePlatform(target))
}

/** The tarball of a package, by the package's name. */
export const tarball = (name) => join(packed, `${name}-${manifest.version}.tgz`)

function pack(folder) {
  const args = ['pack', '--loglevel=error', '--pack-destination', packed]
  return step(`package: ${basename(folder)}`, 'npm', args, { cwd: folder })
}

/**
 * Puts together what is published as `pmem`. Only there does the manifest name the packages of the platforms: in a
 * checkout of a version that is not published yet, npm would not find them.
 */
function stageRoot() {
  const optionalDependencies = Object.fromEntries(targets.map(({ name }) => [`pmem-${name}`, manifest.version]))
  return stage(root, { ...published(manifest), optionalDependencies })
}

/** Builds a companion and puts together what is published of it. */
async function stageCompanion(name) {
  await setUpCompanion(name)
  const folder = stage(companionFolder(name), companionManifest(name))
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'))
  return folder
}

/** The manifest of a companion as it is published. */
export const companionManifest = (name) => published(JSON.parse(readFileSync(join(companionFolder(name), 'package.json'), 'utf8')))

/** A manifest without what only a checkout needs. */
function published(checkout) {
  const checkoutOnly = ['private', 'scripts', 'devDependencies', 'napi']
  const kept = Object.entries(checkout).filter(([key]) => !checkoutOnly.includes(key))
  return { ...Object.fromEntries(kept), ...repository() }
}

/** Copies the files of a package, with a manifest of its own, to where it is packed. */
function stage(source, content) {
  const folder = join(root, 'npm', content.name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const name of content.files) cpSync(join(source, name), join(folder, name), { recursive: true })
  writeManifest(folder, content)
  return folder
}

/** Completes the package of a target, which has its binary already. */
async function stagePlatform(target) {
  const folder = packageFolder(target)
  writeFileSync(join(folder, THIRD_PARTY), await notices(target))
  writeManifest(folder, platformManifest(target))
  const page = `The native module of \`pmem\` for ${target.triple}. Install \`pmem\`, which brings it.`
  writeFileSync(join(folder, 'README.md'), `# pmem-${target.name}\n\n${page}\n`)
  for (const name of licenses(target)) copyFileSync(join(root, name), join(folder, name))
  return folder
}

/** The manifest of a target's package. */
export function platformManifest(target) {
  const { os, cpu, libc } = target.platform
  const { version, license, engines } = manifest
  const main = basename(binaryOf(target))
  return {
    name: `pmem-${target.name}`,
    version,
    description: `The native module of pmem for ${target.name}`,
    license,
    engines,
    os: [os],
    cpu: [cpu],
    ...(libc && { libc: [libc] }),
    main,
    files: [main, THIRD_PARTY, ...licenses(target)],
    ...repository(),
  }
}

/** Binaries that contain PMDK have its notice beside them. */
function licenses({ engines }) {
  return engines.includes('pmdk') ? ['LICENSE', 'LICENSE-PMDK'] : ['LICENSE']
}

/** Where the workflow runs that publishes: a package's provenance must name the same place. */
function repository() {
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY } = process.env
  if (!GITHUB_REPOSITORY) return {}
  return { repository: { type: 'git', url: `git+${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}.git` } }
}

function writeManifest(folder, content) {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(content, null, 2)}\n`)
}
