export * from './ts/native-binding.js'
