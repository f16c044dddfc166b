// run-row.mjs place name folder: measures one row and sends its figures to the parent process.
import { missing } from './peers.mjs'
import { findRow } from './rows.mjs'
import type { Failure, Figures, Place, Row } from './row.mjs'

const ROUNDS: Record<Place, number> = { memory: 9, disk: 7, device: 3 }

const [place, name, folder] = process.argv.slice(2) as [Place, string, string]

/** What the processes of C programs and a store's caches add to the first round is left out, but not what a device counts. */
async function measure(row: Row): Promise<Figures> {
  const { ours, theirs } = await row.open(folder)
  if (row.place !== 'device') {
    await theirs?.()
    await ours()
  }
  const figures = { ours: [] as number[], theirs: [] as number[] }
  for (let round = 0; round < (row.rounds ?? ROUNDS[row.place]); round++) {
    if (theirs) figures.theirs.push(await theirs())
    figures.ours.push(await ours())
  }
  return figures
}

async function outcome(row: Row): Promise<Figures | Failure> {
  const reason = row.peer && missing(row.peer)
  if (reason) return { reason }
  try {
    return await measure(row)
  } catch (error) {
    return { reason: `failed: ${(error as Error).message.split('\n', 1)[0]}` }
  }
}

process.once('disconnect', () => process.exit(1))
// Stores and servers that are still open would keep the process.
process.send!(await outcome(findRow(place, name)), () => process.exit(0))
