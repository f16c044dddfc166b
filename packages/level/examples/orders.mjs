// A program that runs on any database of Level: orders by customer, with an index by day. It runs here on pmem-level and on classic-level,
// every change durable before the next one is asked for, and prints how long either took.
//
//   node examples/orders.mjs [FOLDER] [ORDERS]
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { PmemLevel } from 'pmem-level'

/** Works on a database; resolves to what it found. */
async function program(db, count) {
  const orders = db.sublevel('orders', { valueEncoding: 'json' })
  const byDay = db.sublevel('by-day')
  // Durable when it resolves: so it always is with pmem-level, and with classic-level where that is asked for.
  const durable = { sync: true }

  for (let index = 0; index < count; index += 1) {
    const [id, day] = [`customer-${index % 10}:${index}`, `2025-01-${String(1 + (index % 28)).padStart(2, '0')}`]
    await db.batch([
      { type: 'put', sublevel: orders, key: id, value: { day, cents: 100 * index } },
      { type: 'put', sublevel: byDay, key: `${day}:${id}`, value: id },
    ], durable)
  }

  // Many at once, each of them durable.
  const paid = await orders.keys({ gte: 'customer-3:', lt: 'customer-3;' }).all()
  await Promise.all(paid.map(async (id) => orders.put(id, { ...(await orders.get(id)), paid: true }, durable)))

  const ids = await byDay.values({ gte: '2025-01-10', lt: '2025-01-20' }).all()
  const found = await orders.getMany(ids)
  return `${found.length} orders of ${found.reduce((sum, { cents }) => sum + cents, 0)} cents, ${found.filter(({ paid: isPaid }) => isPaid).length} paid`
}

const [, , parent = tmpdir(), count = '1000'] = process.argv
const folder = mkdtempSync(join(parent, 'orders-'))
for (const Level of [PmemLevel, ClassicLevel]) {
  const start = performance.now()
  const db = new Level(join(folder, Level.name))
  const result = await program(db, Number(count))
  await db.close()
  console.log(`${Level.name}: ${result}, in ${Math.round(performance.now() - start)} ms`)
}
rmSync(folder, { recursive: true })
