export * from './ts/objects/stores.js'
