/** A program for a bundle that runs without node_modules: the native module is a file in its folder. */

export * from './native-binding.mjs'
export * from './main.mjs'
