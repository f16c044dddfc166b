// Works on every module in a folder until the power is cut. Each change is acknowledged on the console once its call has
// returned: its subject and its number, from 0 on.
import { mkdirSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { capabilities, journal, objects, pmem, pmemblk, pmemlog } from 'pmem'
import { BLOCK, LIST, RECORD, SLOT, SLOTS, BLOCKS, KEYS, bytesOf, textOf } from './contents.mjs'

const folder = process.argv[2]
mkdirSync(folder)
const say = (line) => writeSync(1, `${line}\n`)

const region = pmem.mapFile(join(folder, 'region'), { length: SLOT * SLOTS, create: true, sparse: true })
const wasm = pmem.mapFile(join(folder, 'wasm'), { length: SLOT * SLOTS, create: true, sparse: true, memory: 'wasm' })
const view = new Uint8Array(wasm.buffer)
const works = [
  ['region', (number) => {
    const offset = number * SLOT
    region.seek(offset)
    region.write(bytesOf(number, SLOT))
    region.persist(offset, SLOT)
  }],
  ['wasm', (number) => {
    const offset = number * SLOT
    view.set(bytesOf(number, SLOT), offset)
    wasm.persist(offset, SLOT)
  }],
]
for (const engine of capabilities.engines) {
  const log = pmemlog.create(join(folder, `log-${engine}`), 16 << 20, { engine })
  const blocks = pmemblk.create(join(folder, `blocks-${engine}`), BLOCK, undefined, { engine })
  works.push([`log-${engine}`, (number) => log.append(bytesOf(number, RECORD))])
  works.push([`blocks-${engine}`, (number) => blocks.write(bytesOf(number, BLOCK), number % BLOCKS)])
}
const events = journal.open(join(folder, 'journal'))
works.push(['journal', (number) => events.append(textOf(number))])
const store = objects.open(join(folder, 'store'), { root: () => ({ map: new Map(), list: [] }) })
works.push(['objects', (number) => store.transaction(() => {
  const { map, list } = store.root
  map.set(number % KEYS, textOf(number))
  if (number % 5 === 4) map.delete((number * 7) % KEYS)
  list.push(number)
  if (list.length > LIST) list.shift()
})])

say('ready')
for (let number = 0; number < SLOTS; number += 1) {
  for (const [subject, work] of works) {
    work(number)
    say(`done ${subject} ${number}`)
  }
}
// All is done, and the power is still to be cut.
setInterval(() => {}, 1000)
