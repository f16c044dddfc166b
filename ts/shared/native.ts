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
  if (given === undefined && overriding()) throw unsupported(overridden('it names no native module of this version of pmem'))
  const name = typeof given === 'string' ? given : packageName()
  const what = version === undefined ? 'no native module of pmem' : `pmem's native module of version ${version}`
  throw unsupported(`${name} is ${what}, and this is pmem ${VERSION}: install it anew`)
}

function loadPackage(): Binding {
  try {
    // eslint-disable-next-line typescript/no-require-imports -- a failure must be caught here
    return require('#binding') as Binding
  } catch (cause) {
    const failures = causes(cause)
    if (overriding()) throw unsupported(overridden(failures.at(-1)?.message ?? ''), { cause: failures.at(-1) })
    const name = packageName()
    const why = isSingle() ? SINGLE : reason(name, failures)
    const message = `pmem could not load its native module, which the package ${name} brings: ${why}`
    throw unsupported(message, { cause: present(failures).at(-1) ?? failures.at(-1) })
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

/** The variable by which every package that is made with napi-rs can be told its native module, all of them at once. */
const VARIABLE = 'NAPI_RS_NATIVE_LIBRARY_PATH'

function overriding(): boolean {
  return Boolean(process.env[VARIABLE])
}

function overridden(why: string): string {
  return `pmem could not load its native module: ${VARIABLE} is set to ${process.env[VARIABLE]} for all packages made with napi-rs, and ${why}. Unset it, and name pmem's by PMEM_NATIVE_BINDING`
}

/** Whether the program is a single executable, which has no `node_modules`. */
function isSingle(): boolean {
  const { getBuiltinModule } = process as { getBuiltinModule?: (name: string) => { isSea?: () => boolean } | undefined }
  return getBuiltinModule?.('node:sea')?.isSea?.() ?? false
}

const SINGLE =
  "a single executable has no packages. Put the package's .node file beside it, and name that by setNativeBinding of pmem/native-binding before pmem is imported, or by PMEM_NATIVE_BINDING"

/** Why the generated loader failed: what it says of the files that are there, or that none is. */
function reason(name: string, failures: readonly Error[]): string {
  const found = present(failures)
  if (found.length) return found.map(({ message }) => message).join('; ')
  return (
    `it is not installed. Packages of this kind are optional dependencies: install on the platform that runs the ` +
    `program, without --omit=optional, and where package-lock.json or node_modules came from another platform, remove ` +
    `them first. If there is no package ${name}, this platform is not supported.`
  )
}

/** The failures of files that are there. */
function present(failures: readonly Error[]): Error[] {
  const absent = /^Cannot find (native binding|(module|package) '(\.\/|pmem-[\w-]+'))/
  return failures.filter(({ message }) => !absent.test(message))
}

/** An error and all that led to it, each with the first line of its message, and without the others. */
function causes(error: unknown): Error[] {
  if (!types.isNativeError(error)) return []
  const { code } = error as NodeJS.ErrnoException
  const short = Object.assign(new Error(error.message.split('\n')[0]), code === undefined ? {} : { code })
  return [short, ...causes(error.cause)]
}

export const native = ofThisRealm(load())
