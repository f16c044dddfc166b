import assert from 'node:assert/strict'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'

/** Calls `work` until it does not reject: a server needs a while to begin. */
export async function untilDone(work) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await work()
    } catch (error) {
      if (tries === 900) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

/** Waits until `holds` is true. */
export function until(holds) {
  return untilDone(async () => {
    if (!(await holds())) throw new Error(`still not so: ${holds}`)
  })
}

/** What `begin` starts goes on until `stop`, which resolves once it has ended as it should. */
export function goingOn(t, begin) {
  const abort = new AbortController()
  t.after(() => abort.abort())
  const reason = new Error('enough')
  const ended = begin(abort.signal)
  ended.catch(() => {})
  return {
    ended,
    async stop() {
      abort.abort(reason)
      await assert.rejects(ended, reason)
    },
  }
}

export const managerOf = (connection) => jetstreamManager(connection, { checkAPI: false })

/** Adds the stream `events`, of the subject `events.a` alone unless `config` says more. */
export async function addStream(connection, config) {
  const manager = await managerOf(connection)
  await untilDone(() => manager.streams.add({ name: 'events', subjects: ['events.a'], ...config }))
  return manager
}

/** All messages of a stream, or of one subject: their ids and texts. */
export async function messagesOf(connection, subject, stream = 'events') {
  const consumer = await jetstream(connection).consumers.get(stream, subject && { filter_subjects: [subject] })
  const { num_pending: count } = await consumer.info()
  const found = []
  while (found.length < count) {
    for await (const message of await consumer.fetch({ max_messages: Math.min(count - found.length, 5000), expires: 5000 })) {
      found.push({ id: message.headers?.get('Nats-Msg-Id'), text: message.string() })
    }
  }
  return found
}

export const textsOf = async (connection, subject) => (await messagesOf(connection, subject)).map(({ text }) => text)
