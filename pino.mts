import { destination } from './ts/pino/destination.js'

export * from './ts/pino/destination.js'
export default destination
