// Records that are appended, and read again.
import { concurrently } from '../../../build/bench/sampling.mjs'
import { SIZE, record } from '../data.mjs'
import { lasting, timed } from '../timing.mjs'

const sequences = ['pmem journal', 'pmemlog', 'fs', 'better-sqlite3', 'node:sqlite', 'lmdb', 'classic-level']
const CALLERS = 64

/** That records are there as they were written: a hundred of them, from the first on. */
async function isAll(store, count) {
  for (let number = 0; number < count; number += Math.max(1, Math.floor(count / 100))) {
    if (!record(number).equals(await store.read(number))) throw new Error(`record ${number} is not what was written`)
  }
}

/** Fills a store with as many records as a case reads. */
async function filled(store, { many }) {
  await store.appendMany(0, many)
  return { count: many }
}

const ended = { check: (store, { count }) => isAll(store, count) }

export const cases = [
  {
    name: 'append',
    title: 'A durable append',
    text: `One record of ${SIZE} bytes at a time, each on the disk before the next one.`,
    places: ['disk', 'memory'],
    unit: 'time',
    chart: 'disk',
    sides: ['pmem journal', 'pmemlog', 'pmem objects', 'C', 'pynvm', ...sequences.slice(2), 'level + JSON', 'JSON + rename'],
    begin: () => ({ count: 0 }),
    round: (store, state, { time }) => timed(time, () => store.append(state.count++)),
    ...ended,
    reasons: {
      C: 'it writes the bytes alone: no length, no checksum, no number by which a torn record is known',
      fs: 'it writes the bytes alone, and into a file whose length changes with each, which the file system keeps in its own journal',
      pynvm: 'a log of libpmemlog has no checksums',
    },
  },
  {
    name: 'concurrent',
    title: '64 callers at a time',
    text: 'As a server has them: each caller waits for its own record before it appends the next. Who can shares a flush among those that wait. better-sqlite3 and node:sqlite have synchronous calls alone, so they make one after the other, and hold up everything else meanwhile.',
    places: ['disk'],
    unit: 'rate',
    chart: 'disk',
    sides: ['pmem journal', 'pmemlog', 'pmem objects', 'fs', 'better-sqlite3', 'node:sqlite', 'lmdb', 'classic-level', 'level + JSON'],
    begin: () => ({ count: 0 }),
    async round(store, state, { time }) {
      const append = store.appendAsync ?? store.append
      return 1e9 / (await concurrently(CALLERS, time, () => append(state.count++)))
    },
    ...ended,
    reasons: { fs: 'thirty lines of JavaScript write what waits in one piece: no lengths, no checksums, and nothing that finds a torn end' },
  },
  {
    name: 'bulk',
    title: 'Many records at once',
    text: 'A batch that is durable as a whole when the call returns; a record of it. Each round appends further ones.',
    places: ['disk', 'memory'],
    unit: 'time',
    sides: ['pmem objects', ...sequences],
    begin: () => ({ count: 0 }),
    async round(store, state, { many }) {
      const from = state.count
      const taken = await lasting(many, () => store.appendMany(from, many))
      state.count += many
      return taken
    },
    ...ended,
    reasons: {
      fs: 'it writes the bytes alone',
      pmemlog: 'a log has no frames, and so nothing to sum up for each record',
    },
  },
  {
    name: 'scan',
    title: 'Reading all',
    text: 'All records, from the first to the last; a record of it. It is as many bytes as were written, and a hundred of the records are compared at the end.',
    places: ['memory'],
    unit: 'time',
    sides: ['pmem objects', ...sequences],
    begin: filled,
    async round(store, { count }) {
      let found = 0
      const taken = await lasting(count, () => store.scan((data) => (found += data.length)))
      if (found !== count * SIZE) throw new Error(`${found} bytes were read of ${count * SIZE}`)
      return taken
    },
    ...ended,
    reasons: {
      fs: 'it reads pieces of 64 KiB, and verifies nothing',
      pmemlog: 'it gives what is mapped, and verifies nothing',
    },
  },
  {
    name: 'read',
    title: 'Reading one by its number',
    text: 'In an order by chance.',
    places: ['memory'],
    unit: 'time',
    sides: ['pmem objects', ...sequences],
    begin: filled,
    round: (store, { count }, { time }) => timed(time, () => store.read(Math.floor(Math.random() * count))),
    ...ended,
    reasons: {
      fs: 'the place of a record is its number times its length: one `pread`',
      pmemlog: 'the place of a record is its number times its length, and nothing is verified',
      lmdb: 'it gives what is mapped, and verifies nothing',
    },
  },
]
