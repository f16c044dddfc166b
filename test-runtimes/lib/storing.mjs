// A program in WebAssembly.

// (import "m" "memory" (memory 1)) (func (export "store") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
const STORE = [
  '0061736d01000000', // magic, version
  '01060160027f7f00', // types
  '020d01016d066d656d6f7279020001', // imports
  '03020100', // functions
  '0709010573746f72650000', // exports
  '0a0b010900200020013602000b', // code
]

/** A program that stores words into a memory. */
export function storing(memory) {
  const module = new WebAssembly.Module(Buffer.from(STORE.join(''), 'hex'))
  return new WebAssembly.Instance(module, { m: { memory } }).exports
}
