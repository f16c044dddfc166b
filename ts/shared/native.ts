/** Loads the native module, and explains where it cannot. */

import { arch, platform, report } from 'node:process'
import { types } from 'node:util'
import { unsupported } from './errors.js'
import { type Binding, givenBinding, keepBinding } from './given-binding.js'
import { ofThisRealm } from './realm.js'

/** The version of this package, which is that of its native module: the two share a call frame. */
const VERSION = '0.1.0'

function load(): Binding {
  const given = givenBinding()
  const found = given === undefined ? loadPackage() : typeof given === 'string' ? loadFile(given) : given
  checkVersion(found, given)
  keepBinding()
  return found
}

function checkVersion(found: Partial<Binding>, given: string | Binding | undefined): void {
  const version = typeof found.nativeVersion === 'function' ? found.nativeVersion() : undefined
  if (version === VERSION) return
  const name = typeof given === 'string' ? given : packageName()
  const what = version === undefined ? 'no native module of pmem' : `pmem's native module of version ${version}`
  throw unsupported(`${name} is ${what}, and this is pmem ${VERSION}: install it anew`)
}

function loadPackage(): Binding {
  try {
    // eslint-disable-next-line typescript/no-require-imports -- a failure must be caught here
    return require('#binding') as Binding
  } catch (cause) {
    const name = packageName()
    const message = `pmem could not load its native module, which the package ${name} brings: ${reason(name, cause)}`
    throw unsupported(message, { cause })
  }
}

/** Not by `require`, which bundlers replace where they cannot follow it. */
function loadFile(path: string): Binding {
  const loaded = { exports: {} }
  try {
    process.dlopen(loaded, path)
  } catch (cause) {
    const message = `pmem could not load the native module it was given, ${path}: ${(cause as Error).message}`
    throw unsupported(message, { cause })
  }
  return loaded.exports as Binding
}

/** The package that has this platform's module. */
function packageName(): string {
  const libc = { linux: isMusl() ? '-musl' : '-gnu', win32: '-msvc' }[platform as string] ?? ''
  return `pmem-${platform}-${arch}${libc}`
}

function isMusl(): boolean {
  if (platform !== 'linux' || !report) return false
  // Without this, a report looks up the names of all peers.
  Object.assign(report, { excludeNetwork: true })
  const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return header !== undefined && header.glibcVersionRuntime === undefined
}

/** Why the generated loader failed: what it says of the files that are there, or that none is. */
function reason(name: string, cause: unknown): string {
  const absent = /^Cannot find (native binding|(module|package) '(\.\/|pmem-[\w-]+'))/
  const failures = causes(cause).filter((message) => !absent.test(message))
  if (failures.length) return failures.join('; ')
  return (
    `it is not installed. Packages of this kind are optional dependencies: install on the platform that runs the ` +
    `program, without --omit=optional, and where package-lock.json or node_modules came from another platform, remove ` +
    `them first. If there is no package ${name}, this platform is not supported.`
  )
}

/** The first lines of an error's message and of all that led to it. */
function causes(error: unknown): string[] {
  if (!types.isNativeError(error)) return []
  return [error.message.split('\n')[0] ?? '', ...causes(error.cause)]
}

export const native = ofThisRealm(load())
