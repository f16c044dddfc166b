/** What the types of Node.js add: they come with the package, wherever they are installed. */

import type { Readable } from 'node:stream'
import type { pmemlog } from 'pmem'

export function buffers(log: pmemlog.Log): [Buffer, Readable] {
  // @ts-expect-error -- Buffers have no such method
  log.read(0, 1).append()
  return [log.read(0, 1), log.createReadStream({ encoding: 'utf8' })]
}
