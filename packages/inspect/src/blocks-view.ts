/** An array of blocks: which of them are written, and their bytes. It is open only while it is asked. */

import { markOf } from '../../../ts/cli/blk.js'
import * as pmemblk from '../../../ts/nvml/pmemblk.js'
import { MOST_BYTES, bytesView } from './bytes-view.js'
import type { Query, View } from './view.js'

/** How many blocks are looked at at once, and how many bytes of them. */
const [BLOCKS, LOOKED] = [4096, 1 << 24]

export function blocksView(path: string): View {
  const open = () => pmemblk.open(path, 0, { readonly: true })
  return {
    answers: {
      ...bytesView(path).answers,
      state: () => {
        using blocks = open()
        return { next: blocks.nblock(), blockSize: blocks.bsize() }
      },
      // As many as can be looked at, one at least.
      marks: (query: Query) => {
        using blocks = open()
        const from = query.number('from')
        const most = Math.min(blocks.nblock() - from, Math.max(1, Math.floor(LOOKED / blocks.bsize())))
        const count = Math.max(0, Math.min(query.count(BLOCKS), most))
        return Buffer.from(Array.from({ length: count }, (_, index) => markOf(blocks, from + index, 1)).join(''))
      },
      block: (query: Query) => {
        using blocks = open()
        const from = query.number('from')
        return blocks.read(query.number('index')).subarray(from, from + query.count(MOST_BYTES))
      },
    },
    streams: {},
    close: () => {},
  }
}
