/** The native module that a program gives, until the package has loaded one. */

import { resolve } from 'node:path'

/** The native module, as Node.js loads it. */
export type Binding = typeof import('#binding')

const variable = process.env['PMEM_NATIVE_BINDING']
let given: string | Binding | undefined = variable ? resolve(variable) : undefined
let loaded = false

/** False once the package has loaded its native module. */
export function give(binding: string | Binding): boolean {
  if (!loaded) given = binding
  return !loaded
}

/** A path or a native module; undefined for the platform's. */
export function givenBinding(): string | Binding | undefined {
  return given
}

/** From here on nothing can be given. */
export function keepBinding(): void {
  loaded = true
}
