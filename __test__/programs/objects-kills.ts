/**
 * A process that moves amounts between containers of a store until it is killed. The arguments are the store's file, this process's number
 * and the durability. What it has to tell it writes at once, a line each, so that a kill loses none of it.
 */

import { writeSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { objects } from 'pmem'

const [path, name, durability] = process.argv.slice(2) as [string, string, 'commit' | 'group']
const random = (below: number) => Math.floor(Math.random() * below)
const tell = (line: string) => void writeSync(1, `${line}\n`)

class Account extends objects.Persistent {
  amount = 0
}

/** What the store is to have: the amounts of all of its containers add up to nothing. */
const root = (store: objects.Store<null>) => ({
  map: new Map<string, number>(),
  sorted: store.sortedMap<[number, string], number>(),
  list: [0],
  record: { amount: 0 } as Record<string, number>,
  accounts: new Map<number, Account>(),
  log: [] as { writer: string; number: number }[],
  last: new Map<string, number>(),
})

async function main(): Promise<void> {
  const store = objects.open(path, { root, classes: { Account }, durability })
  tell('open')
  const { root: all } = store
  const places: ((by: number) => void)[] = [
    (by) => {
      const key = `${random(50)}`
      all.map.set(key, (all.map.get(key) ?? 0) + by)
    },
    (by) => {
      const key: [number, string] = [random(50), 'x'.repeat(random(300))]
      all.sorted.set(key, (all.sorted.get(key) ?? 0) + by)
    },
    (by) => {
      if (random(2) === 0) all.list.push(by)
      else all.list.unshift(by)
      if (all.list.length > 100) {
        const gone = all.list.splice(random(50), 50)
        all.list[0]! += gone.reduce((sum, item) => sum + item, 0)
      }
    },
    (by) => {
      const key = `field ${random(150)}`
      all.record[key] = (all.record[key] ?? 0) + by
    },
    (by) => {
      const key = random(20)
      const account = all.accounts.get(key) ?? new Account()
      account.amount += by
      all.accounts.set(key, account)
      if (random(5) === 0) {
        all.record['amount']! += account.amount
        all.accounts.delete(key)
      }
    },
  ]
  const move = (): void => {
    const by = random(1000)
    places[random(places.length)]!(by)
    places[random(places.length)]!(-by)
  }
  for (let number = 1; ; number += 1) {
    store.transaction(() => {
      for (let count = 1 + random(random(20) === 0 ? 200 : 5); count > 0; count -= 1) move()
      try {
        store.transaction(() => {
          move()
          places[0]!(1)
          if (random(2) === 0) throw new RangeError('back')
          places[0]!(-1)
        })
      } catch (error) {
        if (!(error instanceof RangeError)) throw error
      }
      all.log.push({ writer: name, number })
      if (all.log.length > 200) all.log.splice(0, 100)
      all.last.set(name, number)
    })
    tell(`${number}`)
    if (random(50) === 0) await store.gc()
    if (random(20) === 0) await setTimeout(random(3))
  }
}

void main()
