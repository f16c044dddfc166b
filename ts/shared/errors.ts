/** Errors made in TypeScript. The native module makes those of the operating system and of the pools. */

import { constants } from 'node:os'

/** The codes of this package's own errors. Others carry Node.js's codes, such as `ENOSPC` or `ERR_OUT_OF_RANGE`. */
export type PmemErrorCode =
  | 'ERR_PMEM_ASYNC'
  | 'ERR_PMEM_BUSY'
  | 'ERR_PMEM_CLASS'
  | 'ERR_PMEM_CLOSED'
  | 'ERR_PMEM_CONFLICT'
  | 'ERR_PMEM_CORRUPT'
  | 'ERR_PMEM_DETACHED'
  | 'ERR_PMEM_EOF'
  | 'ERR_PMEM_FAULT'
  | 'ERR_PMEM_GAP'
  | 'ERR_PMEM_UNCLONEABLE'
  | 'ERR_PMEM_UNSUPPORTED'
  | 'ERR_PMEM_VERSION'

export class PmemError extends Error {
  readonly code: PmemErrorCode

  constructor(code: PmemErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** `path` is the file's, where it has one that is known. */
export function closed(what: string, path: string | undefined): PmemError {
  return new PmemError('ERR_PMEM_CLOSED', `the ${what} ${path === undefined ? '' : `'${path}' `}is closed`)
}

/** What was followed is gone. */
export function rewound(): PmemError {
  return new PmemError('ERR_PMEM_GAP', 'the log was rewound, and what was in it is gone: follow it anew, from 0 on')
}

/** What cannot be put into a store. */
export function unclonable(message: string): TypeError {
  return Object.assign(new TypeError(message), { code: 'ERR_PMEM_UNCLONEABLE' })
}

/** A live object whose container is no more. */
export function detached(path: string | undefined, why: string): PmemError {
  return new PmemError('ERR_PMEM_DETACHED', `this object is not in the store${path === undefined ? '' : ` '${path}'`} any more: ${why}`)
}

/** An instance of a class that is not known. */
export function unknownClass(path: string, name: string): PmemError {
  const message = `an instance of ${name} is in the store '${path}', which was opened without that class: pass it as classes: { ${name} } to open`
  return Object.assign(new PmemError('ERR_PMEM_CLASS', message), { className: name })
}

export function newerStore(path: string, version: number, wanted: number): PmemError {
  return Object.assign(new PmemError('ERR_PMEM_VERSION', `the store '${path}' is of version ${version}, and this program knows ${wanted}: nothing was changed`), { path })
}

export function olderStore(path: string, version: number, wanted: number): PmemError {
  const message = `the store '${path}' is of version ${version}, and this program's is ${wanted}: open it for writing once, which brings it up to date`
  return Object.assign(new PmemError('ERR_PMEM_VERSION', message), { path })
}

/** A change of what was opened readonly. */
export function readonlyStore(path: string, isSnapshot: boolean): Error {
  const message = `EROFS: read-only file system, change '${path}' (${isSnapshot ? 'a snapshot stays as it is' : 'the store was opened readonly'})`
  return Object.assign(new Error(message), { code: 'EROFS', errno: -constants.errno.EROFS, syscall: 'change', path })
}

/** A transaction that would end before its work. */
export function asynchronous(): PmemError {
  return new PmemError('ERR_PMEM_ASYNC', 'the work of a transaction is synchronous: nothing was changed. Await before it, or between several')
}

export function unsupported(message: string, options?: ErrorOptions): PmemError {
  return new PmemError('ERR_PMEM_UNSUPPORTED', message, options)
}

export function illegalConstructor(name: string, makers: string): TypeError {
  return Object.assign(new TypeError(`${name} has no constructor: call ${makers}`), { code: 'ERR_ILLEGAL_CONSTRUCTOR' })
}

export function wrongType(name: string, expected: string, received: unknown): TypeError {
  const message = `The "${name}" argument must be ${expected}. Received ${describe(received)}`
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' })
}

export function wrongValue(name: string, reason: string): TypeError {
  const message = `The argument "${name}" is not valid here: ${reason}`
  return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_VALUE' })
}

export function outOfRange(name: string, expected: string, received: unknown): RangeError {
  const message = `The value of "${name}" is out of range. It must be ${expected}. Received ${describe(received)}`
  return Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' })
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  if (typeof value === 'function') return `function ${value.name}`
  if (typeof value === 'object') return `an instance of ${value.constructor?.name ?? 'Object'}`
  if (typeof value === 'string') return `string ${value.length > 28 ? `'${value.slice(0, 25)}'...` : `'${value}'`}`
  return `${typeof value} ${typeof value === 'bigint' ? `${value}n` : String(value)}`
}
