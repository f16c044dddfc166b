// What scripts/bench.mjs calls after it has set up what the rows need.
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { judge, type Verdict } from './goals.mjs'
import type { Failure, Figures, Row } from './row.mjs'
import { format, formatMissing, heading } from './table.mjs'

export { rowsWith } from './rows.mjs'
export { heading }

/** In milliseconds. What takes longer is ended. */
const LONGEST = 90_000

export interface Ground {
  /** Or why there is none. */
  readonly folder: string | Failure
  readonly env?: NodeJS.ProcessEnv
}

export type Counts = Record<Verdict, number>

/** Measures rows of one place, prints a line for each, and adds up the verdicts. */
export async function measureRows(rows: readonly Row[], ground: Ground, counts: Counts): Promise<void> {
  for (const row of rows) {
    const result = await measureRow(row, ground)
    if ('reason' in result) {
      console.log(formatMissing(row, result.reason))
      counts.undecided += 1
      continue
    }
    const judgement = judge(row.goal, row.unit ?? 'time', result)
    console.log(format(row, result, judgement))
    if (judgement.verdict) counts[judgement.verdict] += 1
  }
}

async function measureRow(row: Row, { folder, env }: Ground): Promise<Figures | Failure> {
  if (typeof folder !== 'string') return folder
  const own = mkdtempSync(join(folder, 'row-'))
  try {
    return await inProcess([row.place, row.name, own], env)
  } finally {
    rmSync(own, { recursive: true, force: true })
  }
}

/** Resolves to what the process sends, or to how it ended. */
function inProcess(args: readonly string[], env: NodeJS.ProcessEnv | undefined): Promise<Figures | Failure> {
  const program = fileURLToPath(new URL('run-row.mjs', import.meta.url))
  const options = { env: { ...process.env, ...env }, timeout: LONGEST, killSignal: 'SIGKILL' } as const
  const child = fork(program, args, { ...options, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  return new Promise((resolve) => {
    child.once('message', (result) => resolve(result as Figures | Failure))
    child.once('error', (error) => resolve({ reason: error.message }))
    child.once('close', (code, signal) => resolve({ reason: `ended by ${signal ?? code}` }))
  })
}
