// Measures cases: each peer in a process and a folder of its own, all of a case in turns, so that a change of the machine's speed meets all.
import { fork } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('side.mjs', import.meta.url))

/** How long a process may say nothing, in milliseconds. */
const LONGEST = 300_000

/** A process that measures one peer of a case. */
class Side {
  #child
  #stderr = ''
  /** What it said of each round: a figure, or as many as the case has. */
  values = []
  /** Why there are none. */
  reason

  constructor(name, peer, folder, { node, env, scale }) {
    this.peer = peer
    mkdirSync(folder)
    const options = { execPath: node, env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe', 'ipc'], execArgv: ['--no-warnings'] }
    this.#child = fork(program, [name, peer, folder, JSON.stringify(scale)], options)
    this.#child.stderr.setEncoding('utf8').on('data', (text) => (this.#stderr += text))
    this.ready = this.#answer()
  }

  /** What it says next; undefined where it ended, or took too long. */
  #answer() {
    return new Promise((resolve) => {
      const settle = ({ value, reason } = {}) => {
        clearTimeout(timer)
        this.#child.off('message', settle).off('exit', ended)
        this.reason ??= reason
        resolve(value)
      }
      const ended = () => settle({ reason: this.#said() ?? 'its process ended' })
      const timer = setTimeout(() => {
        this.#child.kill('SIGKILL')
        settle({ reason: `it took more than ${LONGEST / 1000} s` })
      }, LONGEST)
      this.#child.once('message', settle).once('exit', ended)
    })
  }

  /** The line in which it said what was wrong. */
  #said() {
    return this.#stderr.split('\n').find((line) => /Error\b/.test(line))
  }

  async ask(message) {
    if (this.reason !== undefined) return
    const answer = this.#answer()
    this.#child.send(message)
    const value = await answer
    if (message === 'round' && this.reason === undefined) this.values.push([value].flat())
  }

  end() {
    this.#child.kill('SIGKILL')
  }
}

/** Measures a case in a folder; resolves to what each peer took: `{ peer, rounds }`, or `{ peer, reason }`. */
export async function measureCase(one, folder, how) {
  const sides = one.sides.map((peer, index) => new Side(one.name, peer, join(folder, `${one.name}-${index}`), how))
  const rounds = one.rounds ?? how.scale.rounds
  try {
    for (const side of sides) await side.ready
    // What a first round finds cold is left out, where there are others.
    for (let round = rounds === 1 ? 1 : 0; round <= rounds; round += 1) {
      for (let index = 0; index < sides.length; index += 1) await sides[(index + round) % sides.length].ask('round')
      if (round === 0) for (const side of sides) side.values = []
    }
    for (const side of sides) await side.ask('end')
  } finally {
    for (const side of sides) side.end()
  }
  return sides.map(({ peer, values, reason }) => (reason === undefined ? { peer, rounds: values } : { peer, reason }))
}
