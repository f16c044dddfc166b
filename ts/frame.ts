/**
 * The call frame: hot calls cross without arguments. Handle and numbers are written into slots that the native side
 * (`crates/pmem-node/src/frame.rs`) sees. No code of a caller runs between the writes and the call.
 */

import { native } from './native.js'

const frame = native.callFrame()
const slots = new Float64Array(frame.slots)

type Call = () => void

function ranged(call: Call) {
  return (handle: number, byteOffset: number, byteLength: number): void => {
    slots[0] = handle
    slots[1] = byteOffset
    slots[2] = byteLength
    call()
  }
}

export const persist = ranged(frame.persist)
export const flush = ranged(frame.flush)

export function drain(handle: number): void {
  slots[0] = handle
  frame.drain()
}
