/** A journal shipped to a stream of NATS JetStream. */

export type { RetryOptions } from './failures.js'
export { type ShipOptions, type ShipProgress, ship } from './ship.js'
