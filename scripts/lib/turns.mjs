import { createHash } from 'node:crypto'
import { run } from './run.mjs'

/** Things in an order that each commit has another one of; without git, each day. What there is no time for has its turn later. */
export async function inTurns(things, nameOf = (thing) => thing) {
  const { ok, stdout } = await run('git', ['rev-parse', 'HEAD'])
  const chance = ok ? stdout : new Date().toDateString()
  const place = (thing) => createHash('sha256').update(chance + nameOf(thing)).digest('hex')
  return things.toSorted((one, other) => (place(one) < place(other) ? -1 : 1))
}
