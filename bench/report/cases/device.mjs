// What reaches the disk.
import { traffic } from '../../../build/bench/device.mjs'
import { SIZE } from '../data.mjs'

export const cases = [
  {
    name: 'device',
    title: 'What reaches the disk',
    text: `For one durable append of ${SIZE} bytes, or one durable change of an object: writes, flushes, and bytes for each byte given, by the counters of a loop device with an ext4 of its own, and with what is written later.`,
    places: ['device'],
    unit: 'count',
    rounds: 1,
    figures: () => ['writes', 'flushes', 'bytes for a byte'],
    sides: ['pmem journal', 'pmemlog', 'pmem objects', 'fs', 'better-sqlite3', 'node:sqlite', 'lmdb', 'classic-level', 'level + JSON', 'JSON + rename'],
    begin: async (store, { few }) => {
      const state = { count: 0 }
      for (; state.count < few; state.count += 1) await store.append(state.count)
      return state
    },
    async round(store, state, { few }, { folder }) {
      const appends = async () => {
        for (let index = 0; index < few; index += 1) await store.append(state.count++)
      }
      const { writes, flushes, bytes } = await traffic(folder, few, appends, true)
      return [writes, flushes, bytes / SIZE]
    },
    check() {},
    reasons: {},
  },
]
