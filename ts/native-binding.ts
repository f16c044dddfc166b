/**
 * Where the native module comes from, for programs that do not find it in the package of their platform: those that a
 * bundler made into one file, and those that keep binaries in a place of their own, as packaged Electron apps do.
 */

import { resolve } from 'node:path'
import { PmemError, wrongType, wrongValue } from './errors.js'

/** The native module, as Node.js loads it. */
export type Binding = typeof import('#binding')

let given: string | Binding | undefined = process.env['PMEM_NATIVE_BINDING'] || undefined
let taken = false

/**
 * Names the native module to use: the path of a `.node` file, or what `require` gave for one. It has to be called before
 * `pmem` is first imported, in each thread; what the environment variable `PMEM_NATIVE_BINDING` names, a path, then does
 * not count.
 *
 * @throws `ERR_PMEM_UNSUPPORTED` once `pmem` is loaded.
 */
export function setNativeBinding(binding: string | object): void {
  if (taken) throw new PmemError('ERR_PMEM_UNSUPPORTED', 'setNativeBinding was called after pmem had loaded its native module')
  given = checked(binding)
}

/**
 * What was given, or undefined; from here on nothing can be given.
 *
 * @internal
 */
export function takeNativeBinding(): string | Binding | undefined {
  taken = true
  return typeof given === 'string' ? resolve(given) : given
}

function checked(binding: string | object): string | Binding {
  if (typeof binding === 'string') return binding
  if (typeof binding !== 'object' || binding === null) throw wrongType('binding', 'a path or a native module', binding)
  if ('callFrame' in binding) return binding as Binding
  throw wrongValue('binding', 'this object is not the native module of pmem')
}
