/** A journal shipped to a stream of NATS JetStream, and a stream landed in a journal. */

export type { RetryOptions } from './failures.js'
export { type LandOptions, type LandProgress, land } from './land.js'
export { type Landed, landed } from './landed.js'
export { type ShipOptions, type ShipProgress, ship } from './ship.js'
