/** The package in a context of `node:vm`, as test runners load it: its JavaScript anew, its native module from outside. */

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createContext, runInContext } from 'node:vm'
import { root } from './programs.js'

export interface Realm {
  readonly package: typeof import('pmem')
  /** What a script gives there. */
  run(script: string): unknown
}

type Wrapper = (exports: object, require: (name: string) => unknown, module: { exports: object }) => void

export function newRealm(): Realm {
  // Jest gives its contexts this ArrayBuffer, while their memories have buffers of another.
  const context = createContext({ ArrayBuffer, Buffer, TextEncoder, URL, process, queueMicrotask })
  const run = (script: string) => runInContext(script, context) as unknown
  const modules = new Map<string, { exports: object }>()
  const load = (file: string): unknown => {
    const loaded = modules.get(file)
    if (loaded) return loaded.exports
    const module = { exports: {} }
    modules.set(file, module)
    const outside = createRequire(file)
    const require = (name: string) => (name.startsWith('.') ? load(join(dirname(file), name)) : outside(name) as unknown)
    const wrapper = run(`(function (exports, require, module) {${readFileSync(file, 'utf8')}\n})`) as Wrapper
    wrapper(module.exports, require, module)
    return module.exports
  }
  return { package: load(join(root, 'dist/index.js')) as typeof import('pmem'), run }
}
