export * from './ts/journal/journals.js'
