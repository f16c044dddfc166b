/** Checks of what callers pass. They run before anything is written for the native side. */

// What the typings are made of, which a program's compiler options need not have: every entry reaches this file.
/// <reference lib="es2022" preserve="true" />
/// <reference lib="esnext.disposable" preserve="true" />
/// <reference types="node" preserve="true" />

import { fileURLToPath } from 'node:url'
import { types } from 'node:util'
import { outOfRange, wrongType, wrongValue } from './errors.js'

/** Taken out once: looking them up takes longer than asking them. */
const { isAnyArrayBuffer, isUint8Array } = types

/** What is written: text is UTF-8, everything else its bytes. */
export type Data = string | Bytes

/** Bytes: a Buffer, a TypedArray, a DataView, an ArrayBuffer or a SharedArrayBuffer. */
export type Bytes = ArrayBufferView | ArrayBuffer | SharedArrayBuffer

/** A file's path: text, bytes such as a Buffer, or a file URL. */
export type Path = string | Uint8Array | FileURL

/** What is used of a `URL` here. */
export interface FileURL {
  readonly href: string
  readonly protocol: string
  readonly pathname: string
}

/** A size or an offset: a safe integer. */
export type Size = number | bigint

/** An integer between `min` and `max`. */
export function toInteger(name: string, value: Size, min = 0, max = Number.MAX_SAFE_INTEGER): number {
  const number = typeof value === 'bigint' ? Number(value) : value
  if (typeof number !== 'number') throw wrongType(name, 'an integer', value)
  if (Number.isSafeInteger(number) && number >= min && number <= max) return number
  throw outOfRange(name, `an integer >= ${min} and <= ${max}`, value)
}

/** The two numbers of a version. */
export function toVersion(major: number, minor: number): [major: number, minor: number] {
  const last = 2 ** 32 - 1
  return [toInteger('major', major, 0, last), toInteger('minor', minor, 0, last)]
}

export function toBoolean(name: string, value: boolean): boolean {
  if (typeof value === 'boolean') return value
  throw wrongType(name, 'a boolean', value)
}

/** Whether this is a promise, of whatever realm or library. */
export function isThenable(value: unknown): boolean {
  if ((typeof value !== 'object' || value === null) && typeof value !== 'function') return false
  return typeof (value as { then?: unknown }).then === 'function'
}

/** Whether these are bytes, which may be gone. */
export function isBytes(data: unknown): data is Bytes {
  return ArrayBuffer.isView(data) || types.isAnyArrayBuffer(data)
}

const DATA = 'a string, a Buffer, a TypedArray, a DataView or an ArrayBuffer'

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

/** The bytes of `data`: not copied, unless it is text. `index` is where it was in the list of that name. */
export function toBytes(name: string, data: Data, index?: number): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data)
  if (isPlain(data)) return data
  const isView = ArrayBuffer.isView(data)
  if (!isView && !isAnyArrayBuffer(data)) {
    throw wrongType(nameOf(name, index), isObject(data) ? `${DATA}, such as the text that JSON.stringify makes of an object` : DATA, data)
  }
  if (isDetached(isView ? data.buffer : data)) throw wrongValue(nameOf(name, index), 'its memory was transferred away, or its region closed')
  return isView ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data)
}

const encoder = new TextEncoder()

/** Puts text into `target` as UTF-8, which has room for it; the number of bytes. */
export function encode(text: string, target: Uint8Array): number {
  return encoder.encodeInto(text, target).written
}

function nameOf(name: string, index: number | undefined): string {
  return index === undefined ? name : `${name}[${index}]`
}

/** Whether a buffer has lost its memory. What it had then is not known any more. */
function isDetached(buffer: ArrayBufferLike): boolean {
  if (buffer.byteLength > 0) return false
  try {
    return new Uint8Array(buffer).length > 0
  } catch {
    return true
  }
}

/** The global `Buffer` is a getter, which each look at it would call. */
const bufferPrototype: unknown = Buffer.prototype
const uint8Prototype: unknown = Uint8Array.prototype

/** Whether these are bytes, some at least, without code of a caller behind their properties. */
export function isPlain(data: Data): data is Uint8Array {
  // In this order: what asking for the length tells the compiler of the object makes asking for its prototype cost nothing.
  if (typeof data !== 'object' || data === null || !((data as Uint8Array).length > 0)) return false
  const prototype: unknown = Object.getPrototypeOf(data)
  return (prototype === bufferPrototype || prototype === uint8Prototype) && isUint8Array(data)
}

/** The text of a path's bytes. */
export function textOf({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString()
}

/** Whether this is a URL, in whatever realm. Node.js knows them by the same properties. */
export function isURL(value: unknown): value is FileURL {
  if (typeof value !== 'object' || value === null || isUint8Array(value)) return false
  const { href, protocol } = value as Partial<FileURL>
  return typeof href === 'string' && typeof protocol === 'string'
}

/** The bytes of a path, as the operating system takes them. */
export function toPath(name: string, path: Path): Uint8Array {
  const plain = isURL(path) ? fileURLToPath(path.href) : path
  if (typeof plain !== 'string' && !isUint8Array(plain)) {
    throw wrongType(name, 'a string, a Buffer or a file URL', path)
  }
  const bytes = toBytes(name, plain)
  if (bytes.length === 0 || bytes.includes(0)) throw wrongValue(name, 'a path is not empty and has no NUL')
  return bytes
}
