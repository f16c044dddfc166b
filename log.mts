export * from './ts/pmemlog.js'
