import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { companionFolder, companions, setUpCompanion } from '../companions.mjs'
import { root, step } from '../run.mjs'
import { notices } from './notices.mjs'
import { linkedPages, packedPage } from './pages.mjs'
import { THIRD_PARTY, binaryOf, jsonText, licenses, manifest, packageFolder, platformManifest } from './platforms.mjs'
import { targets } from './targets.mjs'

/** Where the tarballs go. */
export const packed = join(root, 'dist-packages')

/** Where a package is put together, by its name. */
export const staged = (name) => join(root, '.staged', name)

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
 * Puts together what is published as `pmem`, with the pages that its README links to. Only there does the manifest name the packages of
 * the platforms: in a checkout of a version that is not published yet, npm would not find them.
 */
function stageRoot() {
  const optionalDependencies = Object.fromEntries(targets.map(({ name }) => [`pmem-${name}`, manifest.version]))
  const files = [...manifest.files, ...linkedPages(root)]
  return stage(root, { ...published(manifest), files, optionalDependencies, ...addresses() })
}

/** Builds a companion and puts together what is published of it. */
async function stageCompanion(name) {
  await setUpCompanion(name)
  const folder = stage(companionFolder(name), { ...companionManifest(name), ...addresses(`packages/${name}`) })
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'))
  return folder
}

/** The manifest of a companion as it is published. */
export const companionManifest = (name) => published(JSON.parse(readFileSync(join(companionFolder(name), 'package.json'), 'utf8')))

/** A manifest without what only a checkout needs. */
function published(checkout) {
  const checkoutOnly = ['private', 'scripts', 'devDependencies', 'napi']
  return Object.fromEntries(Object.entries(checkout).filter(([key]) => !checkoutOnly.includes(key)))
}

/** The package of a target, which is built: what is committed of it, its binary, and the licenses of what is in that. */
async function stagePlatform(target) {
  const content = { ...platformManifest(target), ...addresses(`npm/${target.name}`) }
  const folder = stage(packageFolder(target), content, [content.main, 'README.md'])
  for (const name of licenses(target)) copyFileSync(join(root, name), join(folder, name))
  writeFileSync(join(folder, THIRD_PARTY), await notices(target))
  return folder
}

/** Puts files of a package together, with links only to what is among them, and its manifest; resolves to the folder. */
function stage(source, content, names = content.files) {
  const folder = staged(content.name)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const name of names) cpSync(join(source, name), join(folder, name), { recursive: true })
  for (const page of names.filter((name) => name.endsWith('.md'))) writeFileSync(join(folder, page), packedPage(folder, page))
  writeFileSync(join(folder, 'package.json'), jsonText(content))
  return folder
}

/**
 * The addresses in a manifest, of a package that lies in `directory`. They come from `repository` in the manifest of the checkout; as long
 * as that has none, from where the workflow runs that publishes, since a package's provenance must name the same place.
 */
function addresses(directory) {
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY } = process.env
  const url = manifest.repository?.url ?? (GITHUB_REPOSITORY && `git+${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}.git`)
  if (!url) return {}
  const page = url.replace(/^git\+/, '').replace(/\.git$/, '')
  const repository = { type: 'git', url, ...(directory && { directory }) }
  return { homepage: `${page}#readme`, bugs: `${page}/issues`, repository }
}
