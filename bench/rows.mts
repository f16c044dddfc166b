import type { Place, Row } from './row.mjs'
import { rows as amplification } from './suites/amplification.mjs'
import { rows as blocks } from './suites/blocks.mjs'
import { rows as concurrency } from './suites/concurrency.mjs'
import { rows as disk } from './suites/disk.mjs'
import { rows as http } from './suites/http.mjs'
import { rows as journal } from './suites/journal.mjs'
import { rows as log } from './suites/log.mjs'
import { rows as objects } from './suites/objects.mjs'
import { rows as region } from './suites/region.mjs'

/** The rows with `filter` in their names, in the table's order. */
export function rowsWith(filter: string): readonly Row[] {
  const all = [...region, ...log, ...blocks, ...journal, ...objects, ...disk, ...concurrency, ...http, ...amplification]
  return all.filter(({ name }) => name.includes(filter))
}

/** One row. The same name may be at two places. */
export function findRow(place: Place, name: string): Row {
  const found = rowsWith(name).find((row) => row.place === place && row.name === name)
  if (!found) throw new Error(`no row of ${place} is called ${name}`)
  return found
}
