/**
 * Errors of the native module in a context of `node:vm`, such as those in which Jest and Vitest run tests: they are made by
 * the classes of the context that loaded it, and become errors of the one in which this package runs.
 */

import { types } from 'node:util'
import type { Binding } from './given-binding.js'

type AnyFunction = (...args: unknown[]) => unknown

/** The module itself where its errors are of this realm, as in every program without contexts. */
export function ofThisRealm(native: Binding): Binding {
  try {
    native.checkVersion(2 ** 32 - 1, 0)
  } catch (error) {
    if (!(error instanceof Error)) return adopting(native)
  }
  return native
}

/** An object with the functions of another, whose errors are of this realm. */
function adopting<T extends object>(functions: T): T {
  const adopted = Object.entries(functions).map(([name, value]) => [name, isFunction(value) ? adoptingCall(value) : value])
  return Object.fromEntries(adopted) as T
}

function adoptingCall(call: AnyFunction): AnyFunction {
  return (...args) => {
    try {
      return adoptResult(call(...args))
    } catch (error) {
      throw adopt(error)
    }
  }
}

/** What a function gives may be functions, or have errors in a list. */
function adoptResult(result: unknown): unknown {
  if (typeof result !== 'object' || result === null || ArrayBuffer.isView(result) || types.isPromise(result)) return result
  const values = Object.values(result)
  if (values.length > 0 && values.every(isFunction)) return adopting(result)
  for (const value of values) if (Array.isArray(value)) value.forEach(adopt)
  return result
}

function adopt(error: unknown): unknown {
  if (!types.isNativeError(error)) return error
  const own = { RangeError, TypeError }[error.name] ?? Error
  return Object.setPrototypeOf(error, own.prototype)
}

function isFunction(value: unknown): value is AnyFunction {
  return typeof value === 'function'
}
