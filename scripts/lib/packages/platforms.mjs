import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { root } from '../run.mjs'
import { glibc } from './targets.mjs'

/** The package's own manifest. */
export const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** What is committed of a target's package, and where its native module is built. */
export const packageFolder = ({ name }) => join(root, 'npm', name)

/** The native module in a target's package. */
export const binaryOf = (target) => join(packageFolder(target), `pmem.${target.name}.node`)

/** The notices of what is linked into a binary, beside those that the project has as files. */
export const THIRD_PARTY = 'LICENSE-THIRD-PARTY'

/** Binaries that contain PMDK have its notice beside them. */
export const licenses = ({ engines }) => (engines.includes('pmdk') ? ['LICENSE', 'LICENSE-PMDK'] : ['LICENSE'])

/** What is committed of a target's package: the text of each file, by its path in the checkout. */
export function platformFiles(target) {
  const folder = `npm/${target.name}`
  return { [`${folder}/package.json`]: jsonText(platformManifest(target)), [`${folder}/README.md`]: platformPage(target) }
}

/** A manifest as a file has it. */
export const jsonText = (content) => `${JSON.stringify(content, null, 2)}\n`

function platformPage(target) {
  const { name, engines, platform } = target
  const libc = { glibc: `, with glibc ${glibc} or later`, musl: ', with musl' }[platform.libc] ?? ''
  const engine = engines.includes('pmdk') ? 'It has the C libraries of PMDK in it, and the engine in Rust' : 'It has the engine in Rust'
  return `# pmem-${name}

The native module of \`pmem\` for ${SYSTEMS[platform.os]} on ${platform.cpu}${libc}. Install \`pmem\`: npm brings this package along where it fits, and
no other of its kind. Nothing is compiled, downloaded or run when it is installed.

${engine} for the file formats of pmemlog and pmemblk.
`
}

const SYSTEMS = { linux: 'Linux', win32: 'Windows', darwin: 'macOS' }

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
    files: [main, 'README.md', THIRD_PARTY, ...licenses(target)],
  }
}
