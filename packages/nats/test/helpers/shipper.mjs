// Ships a journal that another process writes, until it is killed: `node shipper.mjs JOURNAL SERVER...`
import { connect } from '@nats-io/transport-node'
import { journal } from 'pmem'
import { ship } from 'pmem-nats'

const [path, ...servers] = process.argv.slice(2)
const connection = await connect({ servers, waitOnFirstConnect: true, maxReconnectAttempts: -1, reconnectTimeWait: 50, timeout: 2000 })
await ship(journal.open(path, { readonly: true }), { connection, stream: 'events', subject: 'events.a', cursor: 'nats', maxInFlight: 256, timeout: 2000, maxWait: 500 })
