import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { measure } from 'mitata'
import type { Operation } from './suite.mjs'

/** Nanoseconds a call, one figure a round. */
export interface Figures {
  readonly c: readonly number[]
  readonly js: readonly number[]
}

const ROUNDS = 9
const MIN_SAMPLES = 12
/** In nanoseconds. Each side warms up as long as it measures. */
const MIN_TIME = 100e6
/** Calls a sample; a multiple of what mitata unrolls, 4. */
const batchSize = ({ batch = 1024 }: Operation, isPmem: boolean): number => (isPmem ? batch : 4)

/** Measures both sides in turns, so that a change of the machine's speed meets both. */
export async function compare(suite: string, operation: Operation, folder: string, isPmem: boolean): Promise<Figures> {
  const batch = batchSize(operation, isPmem)
  const c: number[] = []
  const js: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    c.push(measureC(suite, operation.against ?? operation.name, folder, batch))
    js.push(await measureJs(operation.run, batch))
  }
  return { c, js }
}

function measureC(suite: string, name: string, folder: string, batch: number): number {
  const program = fileURLToPath(new URL(`c/${suite}`, import.meta.url))
  const args = [name, batch, MIN_SAMPLES, MIN_TIME].map(String)
  return Number(execFileSync(program, args, { cwd: folder, encoding: 'utf8' }))
}

async function measureJs(run: () => void, batch: number): Promise<number> {
  warmUp(run, batch)
  // The mean, since it has the share of collecting garbage that the median would leave out.
  const { avg } = await measure(run, {
    batch_samples: batch,
    min_samples: MIN_SAMPLES,
    min_cpu_time: MIN_TIME,
    // In batches however long a call takes, and without the gigabyte that stands in for a collection.
    batch_threshold: Infinity,
    warmup_threshold: Infinity,
    gc: false,
  })
  return avg
}

function warmUp(run: () => void, batch: number): void {
  const end = performance.now() + MIN_TIME / 1e6
  while (performance.now() < end) for (let call = 0; call < batch; call++) run()
}
