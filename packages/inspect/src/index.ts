/** What `pmem inspect` runs. */

import { basename, resolve } from 'node:path'
import { details, ofFile } from '../../../ts/cli/info.js'
import { type Kind, NAMES, kindOf } from '../../../ts/cli/kinds.js'
import { blocksView } from './blocks-view.js'
import { bytesView } from './bytes-view.js'
import { journalView } from './journal-view.js'
import { logView } from './log-view.js'
import { Inspector } from './server.js'
import { storeView } from './store-view.js'
import type { View } from './view.js'

const views: Readonly<Record<Kind, (path: string) => View>> = {
  log: logView,
  blocks: blocksView,
  journal: journalView,
  store: storeView,
  segment: bytesView,
  pool: bytesView,
  bytes: bytesView,
}

/** Serves a page that shows a file or folder, until it is closed. */
export function inspect(path: string, port = 0): Promise<Inspector> {
  const kind = kindOf(path)
  const view = views[kind](path)
  return new Inspector({ ...view, answers: { ...view.answers, info: () => infoOf(path, kind) } }).listen(port)
}

function infoOf(path: string, kind: Kind): object {
  return { name: basename(resolve(path)), path: resolve(path), kind, called: NAMES[kind], known: { ...ofFile(path, kind), ...detailsOf(path, kind) } }
}

/** What is known of the kind, or why nothing is. */
function detailsOf(path: string, kind: Kind): object {
  try {
    return details[kind](path)
  } catch (error) {
    return { problem: (error as Error).message.split('\n')[0] }
  }
}
