/** A log: its bytes, and those that come. Nobody is kept from it but while it is followed. */

import { setTimeout } from 'node:timers/promises'
import * as pmemlog from '../../../ts/nvml/pmemlog.js'
import type { Log } from '../../../ts/nvml/log.js'
import { MOST_BYTES, bytesView } from './bytes-view.js'
import type { Query, View } from './view.js'

/** So often at most does the page hear of what came, in milliseconds. */
const INTERVAL = 50

export function logView(path: string): View {
  const open = () => pmemlog.open(path, { readonly: true })
  return {
    answers: {
      ...bytesView(path).answers,
      bytes: (query: Query) => {
        using log = open()
        const from = Math.min(query.number('from'), log.tell())
        return log.read(from, Math.min(query.count(MOST_BYTES), log.tell() - from))
      },
      state: () => {
        using log = open()
        return stateOf(log)
      },
    },
    streams: {
      follow: (_, signal) => follow(open(), signal),
    },
    close: () => {},
  }
}

function stateOf(log: Log): { next: number } {
  return { next: log.tell() }
}

/** How far it goes, each time that this is further. */
async function* follow(opened: Log, signal: AbortSignal): AsyncGenerator<object> {
  using log = opened
  for (;;) {
    const state = stateOf(log)
    yield state
    for await (const _ of log.follow({ from: state.next, chunk: 1, signal })) break
    await setTimeout(INTERVAL, undefined, { signal })
  }
}
