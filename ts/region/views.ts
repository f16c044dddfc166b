/** Views of a region: any TypedArray, DataView, or class that extends one. */

import type { AnyBuffer } from './memory.js'

/** A TypedArray or DataView, also of a kind that these typings do not know. */
export interface View {
  readonly buffer: AnyBuffer
  readonly byteLength: number
  readonly byteOffset: number
}

/** A TypedArray class or DataView. */
export interface ViewConstructor<V extends View> {
  new (buffer: ArrayBuffer, byteOffset?: number, length?: number): V
  readonly BYTES_PER_ELEMENT?: number
}

/** What `V` is over another kind of memory than an ArrayBuffer; a class that extends a view stays itself. */
export type ViewOver<V extends View, Memory extends AnyBuffer> =
  V extends DataView ? (DataView<ArrayBuffer> extends V ? DataView<Memory> : V)
  : V extends { readonly [Symbol.toStringTag]: infer Name extends keyof TypedArrays<Memory> }
    ? (TypedArrays<ArrayBuffer>[Name] extends V ? TypedArrays<Memory>[Name] : V)
  : V

interface TypedArrays<Memory extends AnyBuffer> {
  Int8Array: Int8Array<Memory>
  Uint8Array: Uint8Array<Memory>
  Uint8ClampedArray: Uint8ClampedArray<Memory>
  Int16Array: Int16Array<Memory>
  Uint16Array: Uint16Array<Memory>
  Int32Array: Int32Array<Memory>
  Uint32Array: Uint32Array<Memory>
  Float32Array: Float32Array<Memory>
  Float64Array: Float64Array<Memory>
  BigInt64Array: BigInt64Array<Memory>
  BigUint64Array: BigUint64Array<Memory>
}

/** Whether `type` is a TypedArray class or DataView, or extends one, in whatever realm. */
export function isViewConstructor(type: unknown): boolean {
  if (typeof type !== 'function') return false
  return 'BYTES_PER_ELEMENT' in type || type.prototype?.[Symbol.toStringTag] === 'DataView'
}
