// side.mjs CASE PEER FOLDER SCALE: measures one peer of one case, a round for each message, and checks at the end what it stored.
import { findCase } from './cases.mjs'
import { found, peers } from './peers.mjs'

const [name, peer, folder, scale] = process.argv.slice(2)
const { begin, round, check, apart: isApart = false } = findCase(name)
const sizes = JSON.parse(scale)
const { reason } = found(peer)
if (reason) throw new Error(reason)
const { open } = isApart ? {} : await import(`./stores/${peers[peer].store}.mjs`)
const store = isApart ? undefined : await open(folder)
const state = store?.external ? {} : await begin(store, sizes, { folder, peer })

const messages = {
  round: () => (store?.external ? store.external(name, sizes.time) : round(store, state, sizes, { folder, peer })),
  async end() {
    if (!store?.external) await check(store, state)
    await store?.close()
  },
}

process.once('disconnect', () => process.exit(1))
process.on('message', async (message) => {
  try {
    process.send({ value: await messages[message]() }, () => message === 'end' && process.exit(0))
  } catch (error) {
    process.send({ reason: error.message.split('\n', 1)[0] })
  }
})
process.send({ value: 'ready' })
