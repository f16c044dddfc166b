// Values by key, as programs keep their state.
import assert from 'node:assert/strict'
import { SIZE, entry, record } from '../data.mjs'
import { timed } from '../timing.mjs'

const maps = ['pmem objects', 'better-sqlite3', 'node:sqlite', 'lmdb', 'level + JSON', 'JSON + rename']
const IN_A_TRANSACTION = 10

/** One reason for all others. */
const forOthers = (sides, reason) => Object.fromEntries(sides.slice(1).map((peer) => [peer, reason]))

/** Writing all of the state anew takes too long where there is much. */
const growing = maps.slice(0, -1)

const asTexts = forOthers(maps, 'an object is one text there. In a store each of its fields is an entry that can be changed by itself, so that a new object is five entries, and the one that it replaces is freed')

const asFields = forOthers(growing, 'an object is one text there, found by one search. In a store of so many it takes five, among five times as many entries, and gives fields that can be changed one by one')

async function filled(store, { some }) {
  await store.setMany(Array.from({ length: some }, (_, number) => number), 0)
  return { some, version: 0, next: 0 }
}

/** The entries that were set last are there. */
async function check(store, state) {
  const number = (state.next + state.some - 1) % state.some
  const version = state.version
  assert.deepEqual({ ...(await store.get(number)) }, entry(number, version))
}

const inTurn = (state) => state.next++ % state.some

export const cases = [
  {
    name: 'overwrite',
    title: 'A durable overwrite',
    text: `${SIZE} bytes in a place that was written before. pynvm persists a region as a whole alone, and is not here.`,
    places: ['disk', 'memory'],
    unit: 'time',
    sides: ['pmem region', 'pmemblk', 'C', 'mmap-io', 'fs', 'better-sqlite3', 'node:sqlite', 'lmdb', 'classic-level'],
    async begin(store) {
      const state = { version: 0, next: 0, some: 1000 }
      if (store.overwrite) for (let number = 0; number < state.some; number += 1) await store.overwrite(number, 0)
      return state
    },
    round: (store, state, { time }) => timed(time, () => store.overwrite(inTurn(state), (state.version += 1))),
    async check(store, state) {
      const number = (state.next + state.some - 1) % state.some
      assert.ok(record(number + state.version).equals(await store.overwritten(number)))
    },
    reasons: {
      C: 'no call crosses from JavaScript',
      fs: 'it writes 64 bytes alone, of which a power cut may leave a part. A region of this kind does the same with a copy of its page',
      'mmap-io': 'it calls `msync` and no more',
    },
  },
  {
    name: 'change',
    title: 'A durable change of one field',
    text: 'Of an object of four, by its key, among a thousand of them. In a store that is an assignment; the others read the value, and write it anew.',
    places: ['disk', 'memory'],
    unit: 'time',
    chart: 'disk',
    sides: maps,
    begin: filled,
    round: (store, state, { time }) => timed(time, () => store.change(inTurn(state), (state.version += 1))),
    async check(store, state) {
      const number = (state.next + state.some - 1) % state.some
      assert.equal((await store.get(number)).visits, state.version)
    },
    reasons: {},
  },
  {
    name: 'set',
    title: 'A durable object in place of another',
    text: 'An object of four fields, by its key, among a thousand of them.',
    places: ['disk', 'memory'],
    unit: 'time',
    sides: maps,
    begin: filled,
    round: (store, state, { time }) => timed(time, () => store.set(inTurn(state), (state.version += 1))),
    check,
    reasons: asTexts,
  },
  {
    name: 'get',
    title: 'Getting an object',
    text: 'All of its four fields, as a plain copy.',
    places: ['memory'],
    unit: 'time',
    sides: maps,
    begin: filled,
    round: (store, state, { time }) => timed(time, () => store.get(inTurn(state))),
    check: (store, state) => check(store, { ...state, next: 0 }),
    reasons: {
      'JSON + rename': 'all of the state is in memory, and the object itself is given',
      lmdb: 'it decodes one value of MessagePack. In a store each field crosses by itself, and may be changed by itself',
      'better-sqlite3': 'it parses one piece of JSON. In a store each field crosses by itself, and may be changed by itself',
      'node:sqlite': 'it parses one piece of JSON. In a store each field crosses by itself, and may be changed by itself',
      'level + JSON': 'it parses one piece of JSON. In a store each field crosses by itself, and may be changed by itself',
    },
  },
  {
    name: 'transaction',
    title: 'A transaction',
    text: `${IN_A_TRANSACTION} objects, all of them or none; the time is that of the transaction.`,
    places: ['disk', 'memory'],
    unit: 'time',
    sides: maps,
    begin: filled,
    round: (store, state, { time }) =>
      timed(time, () => {
        state.version += 1
        return store.setMany(Array.from({ length: IN_A_TRANSACTION }, () => inTurn(state)), state.version)
      }),
    check,
    reasons: asTexts,
  },
  {
    name: 'growth',
    title: 'As the data grows',
    text: 'Getting and setting one of so many objects, on memory, where no disk hides what a store does itself.',
    places: ['memory'],
    unit: 'time',
    sides: growing,
    figures: ({ sizes }) => sizes.flatMap((size) => [`get, ${size.toLocaleString('en')}`, `set, ${size.toLocaleString('en')}`]),
    rounds: 1,
    begin: () => ({ some: 0, next: 0, version: 0 }),
    async round(store, state, { sizes, time }) {
      const found = []
      for (const size of sizes) {
        while (state.some < size) {
          const count = Math.min(1000, size - state.some)
          await store.setMany(Array.from({ length: count }, (_, index) => state.some + index), 0)
          state.some += count
        }
        const any = () => Math.floor(Math.random() * size)
        found.push(await timed(time, () => store.get(any())))
        found.push(await timed(time, () => store.set(any(), 1)))
      }
      return found
    },
    check: async (store, state) => assert.equal((await store.get(state.some - 1)).id, state.some - 1),
    reasons: asFields,
  },
]
