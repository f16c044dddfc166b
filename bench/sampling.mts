// How one figure is taken. All give the mean nanoseconds of one of the `per` pieces of work that a call does.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { measure } from 'mitata'
import type { Round } from './row.mjs'
import { trimmedMean } from './statistics.mjs'

const MIN_SAMPLES = 12
/** In nanoseconds. Each side warms up as long as it measures. */
const MIN_TIME = 100e6

export interface Batch {
  /** Calls a sample; a multiple of what mitata unrolls, 4. */
  readonly batch?: number
  readonly per?: number
}

/** The path of a program that scripts/bench.mjs compiled from bench/c. */
export const programInC = (name: string): string => fileURLToPath(new URL(`c/${name}`, import.meta.url))

/** An operation of a C program over bench/c/harness.c, which keeps its files in `folder`. */
export function inC(folder: string, program: string, operation: string, { batch = 1024, per = 1 }: Batch = {}): Round {
  const args = [operation, batch, MIN_SAMPLES, MIN_TIME].map(String)
  return () => Number(execFileSync(programInC(program), args, { cwd: folder, encoding: 'utf8' })) / per
}

/** A call of less than milliseconds, without waiting for a device. */
export function inJs(run: () => unknown, { batch = 1024, per = 1 }: Batch = {}): Round {
  return async () => {
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
    return avg / per
  }
}

function warmUp(run: () => unknown, batch: number): void {
  const end = performance.now() + MIN_TIME / 1e6
  while (performance.now() < end) for (let call = 0; call < batch; call++) run()
}

export interface Calls {
  readonly per?: number
  /** Done before each call, outside its time. */
  readonly before?: () => void
}

/** So many calls, each of which waits for a device. They use up what they write to: the number is the same in each round. */
export function calls(count: number, run: () => void, { per = 1, before }: Calls = {}): Round {
  return () => {
    const samples = Array.from({ length: count }, () => {
      before?.()
      const start = performance.now()
      run()
      return performance.now() - start
    })
    return (trimmedMean(samples) * 1e6) / per
  }
}

/** Callers that each wait for their call before they make the next, until the time is over. */
export async function concurrently(callers: number, milliseconds: number, call: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  const end = start + milliseconds
  let count = 0
  const caller = async (): Promise<void> => {
    do {
      await call()
      count += 1
    } while (performance.now() < end)
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return ((performance.now() - start) * 1e6) / count
}

/** So many calls in all, by callers that each wait for theirs. */
export async function share(callers: number, count: number, call: () => Promise<unknown>): Promise<void> {
  let left = count
  const caller = async (): Promise<void> => {
    while (left > 0) {
      left -= 1
      await call()
    }
  }
  await Promise.all(Array.from({ length: callers }, caller))
}
