/**
 * Where the native module comes from, for programs that do not find it in the package of their platform: those that a
 * bundler made into one file, and those that keep binaries in a place of their own, as packaged Electron apps do.
 *
 * @module native-binding
 */

import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isURL } from './arguments.js'
import { unsupported, wrongType, wrongValue } from './errors.js'
import { type Binding, give } from './given-binding.js'

/**
 * Names the native module to use: the path or file URL of a `.node` file, or what `require` gave for one. It has to be
 * called before `pmem` is first imported, in each thread; what the environment variable `PMEM_NATIVE_BINDING` names, a
 * path, then does not count.
 *
 * @throws `ERR_PMEM_UNSUPPORTED` once `pmem` is loaded.
 */
export function setNativeBinding(binding: string | object): void {
  if (give(checked(binding))) return
  throw unsupported('setNativeBinding was called after pmem had loaded its native module')
}

function checked(binding: string | object): string | Binding {
  if (typeof binding === 'string') return checkedPath(binding)
  if (isURL(binding)) return checkedPath(fileURLToPath(binding.href))
  if (typeof binding !== 'object' || binding === null) throw wrongType('binding', 'a path or a native module', binding)
  if ('callFrame' in binding) return binding as Binding
  throw wrongValue('binding', 'this object is not the native module of pmem')
}

/** What a relative path means now, wherever the program goes until it is loaded. */
function checkedPath(path: string): string {
  if (path !== '' && !path.includes('\0')) return resolve(path)
  throw wrongValue('binding', 'a path is not empty and has no NUL')
}
