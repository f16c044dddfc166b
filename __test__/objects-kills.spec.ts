/** A process that is killed at any time, again and again: what it was told is there, and nothing is there by half. */

import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import test from 'ava'
import { objects } from 'pmem'
import { folder } from './helpers/files.js'
import { KILLS, start } from './helpers/tellers.js'

const random = (below: number) => Math.floor(Math.random() * below)

class Account extends objects.Persistent {
  amount = 0
}

const sum = (amounts: Iterable<number>) => [...amounts].reduce((total, amount) => total + amount, 0)

for (const durability of ['commit', 'group'] as const) {
  test.serial(`a writer that is killed ${KILLS} times, durable by ${durability}, leaves whole transactions, and all that it was told of`, async (t) => {
    t.timeout(KILLS * 10_000 + 60_000)
    const path = join(folder(t), 'store')
    let acknowledged = 0
    for (let number = 1; number <= KILLS; number += 1) {
      const writer = start(t, 'objects-kills.js', path, `${number}`, durability)
      const early = number % 5 === 0
      for (let left = early ? 0 : 20_000; writer.lines.length === 0 && left > 0; left -= 1) await pause(1)
      await pause(early ? random(80) : random(300))
      await writer.kill()
      const report = objects.check(path)
      t.true(report.sound, `${number}: ${report.damage?.join('\n')}`)
      const store = objects.open<any>(path, { classes: { Account }, durability })
      const { root } = store
      if (root === null) {
        t.true(early && writer.lines.length === 0)
        store.close()
        continue
      }
      const { map, sorted, list, record, accounts, log, last } = root
      const total = sum(map.values()) + sum(sorted.values()) + sum(list) + sum(Object.values(record)) + sum([...accounts.values()].map((account: Account) => account.amount))
      t.is(total, 0, `${number}`)
      const told = Number(writer.lines.at(-1) ?? 0) || 0
      const stored = last.get(`${number}`) ?? 0
      // One may have been committed and not told.
      t.true(stored === told || stored === told + 1, `${number}: told of ${told}, stored is ${stored}`)
      if (stored > 0) t.deepEqual({ ...log.at(-1) }, { writer: `${number}`, number: stored })
      for (const account of accounts.values()) t.true(account instanceof Account)
      acknowledged += told
      await store.gc()
      store.close()
    }
    t.true(acknowledged > KILLS, `${acknowledged}`)
    t.log(`${KILLS} kills, ${acknowledged} acknowledged transactions`)
  })
}
