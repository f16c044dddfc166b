export * from './ts/nvml/pmemlog.js'
