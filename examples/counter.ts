/**
 * A counter that survives restarts and power failures.
 *
 *     npm run build
 *     node build/examples/counter.js [path] [times]
 *
 * Run it again: it goes on from where it stopped. A number that was printed is durable. Several processes may count in
 * one file at once: `Atomics.add` changes the memory that all of them have mapped. The path's default is a file in the
 * system's temporary folder, which is often a tmpfs and then lasts until the next boot only.
 */

import { statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pmem } from 'pmem'

/** The file: a mark at byte 0, and the count at byte 8, in words of 8 bytes. The rest of the page is spare. */
const SIZE = 4096
const MARK = 0x31_52_45_54_4e_55_4f_43n // "COUNTER1"

/** The words of a counter's file; of a blank one too, which it makes a counter. */
function words(region: pmem.Region): BigUint64Array {
  const view = region.view(BigUint64Array)
  const mark = Atomics.load(view, 0)
  if (mark === MARK) return view
  if (mark !== 0n) throw new Error('the file holds something else: give the path of a new file')
  Atomics.store(view, 0, MARK)
  region.persist(0, 8)
  return view
}

function main([path = join(tmpdir(), 'pmem-counter.dat'), times = '1']: readonly string[]): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  // mapFile would make a shorter file longer. One that is not ours stays as it is.
  if (size !== 0 && size !== SIZE) throw new Error(`${path} holds something else: give the path of a new file`)

  using region = pmem.mapFile(path, { length: SIZE, create: true })
  const view = words(region)
  for (let time = 0; time < Number(times); time += 1) {
    // One aligned 8-byte store: a power failure leaves the old count or the new one, never a mixture. By the rules of
    // JavaScript, Atomics on a BigUint64Array promises a store that is not torn; `view[1] += 1n` does not.
    const count = Atomics.add(view, 1, 1n) + 1n
    // Until here the new count may be lost. From here on it is not.
    region.persist(8, 8)
    console.log(`counted to ${count}`)
  }
}

main(process.argv.slice(2))
