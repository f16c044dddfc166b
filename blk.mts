export * from './ts/nvml/pmemblk.js'
