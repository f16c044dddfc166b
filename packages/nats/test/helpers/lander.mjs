// Lands a stream in a journal, until it is killed: `node lander.mjs JOURNAL SERVER...`
import { jetstream } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { journal } from 'pmem'
import { land } from 'pmem-nats'

const [path, ...servers] = process.argv.slice(2)
const connection = await connect({ servers, waitOnFirstConnect: true, maxReconnectAttempts: -1, reconnectTimeWait: 50, timeout: 2000 })
const consumer = await jetstream(connection).consumers.get('events', 'copy')
await land(consumer, journal.open(path), { connection, timeout: 2000, maxWait: 500 })
