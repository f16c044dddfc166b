export * from './ts/pmemblk.js'
