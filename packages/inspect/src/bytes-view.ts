/** Any file: its bytes. */

import { statSync } from 'node:fs'
import { firstBytes } from '../../../ts/cli/kinds.js'
import type { Query, View } from './view.js'

/** The most bytes that are answered at once. */
export const MOST_BYTES = 1 << 16

export function bytesView(path: string): View {
  return {
    answers: {
      raw: (query: Query) => firstBytes(path, query.number('from'), query.count(MOST_BYTES)),
      rawState: () => ({ next: statSync(path).size }),
    },
    streams: {},
    close: () => {},
  }
}
