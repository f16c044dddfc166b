/** What is right compiles and what is wrong does not, with and without the types of Node.js. */

import { capabilities, type journal, pmem, type pmemblk, pmemlog } from 'pmem'
import { create } from 'pmem/blk'
import { type Journal, open as openJournal } from 'pmem/journal'
import { open } from 'pmem/log'

export function right(log: pmemlog.Log, blocks: pmemblk.BlockArray, region: pmem.Region, url: URL, events: Journal): void {
  log.append(new Uint8Array(1))
  log.append(new DataView(new ArrayBuffer(8)))
  blocks.write(new SharedArrayBuffer(8), BigInt(0))
  blocks.readInto(new Float64Array(64), 0)
  pmem.map(url).close()
  const numbers: Float64Array = region.view(Float64Array)
  numbers[0] = 1
  region[Symbol.dispose]()
  const sequence: number = events.append(new Uint8Array(1), { expected: 0, durable: false })
  for (const record of events.read({ from: sequence })) record.json<{ a: number }>().a.toFixed()
  void events.consume('worker', (records) => records.length, { batch: 10 })
}

export function wrong(log: pmemlog.Log, blocks: pmemblk.BlockArray, region: pmem.Region, events: journal.Journal): void {
  // @ts-expect-error -- no data
  log.append(7)
  // @ts-expect-error -- no data
  log.appendAsync({})
  // @ts-expect-error -- no data
  blocks.write(null, 0)
  // @ts-expect-error -- no index
  blocks.read('0')
  // @ts-expect-error -- no memory
  blocks.readInto('0', 0)
  // @ts-expect-error -- no path
  pmem.map(true)
  // @ts-expect-error -- no path
  open(7)
  // @ts-expect-error -- no path
  create({})
  // @ts-expect-error -- no such option
  pmem.mapFile('missing', { readOnly: true })
  // @ts-expect-error -- no such option
  pmemlog.open('missing', { readOnly: true })
  // @ts-expect-error -- no such encoding
  log.createReadStream({ encoding: 'utf9' })
  // @ts-expect-error -- no such engine
  capabilities.engines.includes('c')
  // @ts-expect-error -- no data
  events.append({ a: 1 })
  // @ts-expect-error -- no place to begin
  events.read({ from: true })
  // @ts-expect-error -- no such option
  openJournal('missing', { readOnly: true })
  // @ts-expect-error -- no numbers
  region.view(Int32Array).fill('text')
}

const log = pmemlog.create('typed.log', pmemlog.MIN_POOL, { sparse: true })
log.append('typed')
console.log(log.tell() === 5 && log.engine.length === 4 ? '  ✔ what was compiled runs' : '  ✘ what was compiled runs')
log.close()
