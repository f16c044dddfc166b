/** Calls `call` until the time is over, which may give promises; resolves to the nanoseconds of one call. */
export async function timed(milliseconds, call) {
  let [batch, count] = [1, 0]
  const start = performance.now()
  for (;;) {
    const began = performance.now()
    for (let index = 0; index < batch; index += 1) {
      const pending = call()
      if (pending instanceof Promise) await pending
    }
    count += batch
    const now = performance.now()
    if (now - start >= milliseconds) return ((now - start) * 1e6) / count
    // The clock may not cost what is measured.
    if (now - began < 0.5) batch *= 2
  }
}

/** So many callers, each of which waits for its call before it makes the next; resolves to calls in a second. */
export async function together(callers, milliseconds, call) {
  const start = performance.now()
  let count = 0
  const caller = async () => {
    do {
      await call()
      count += 1
    } while (performance.now() - start < milliseconds)
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return (count * 1000) / (performance.now() - start)
}

/** The nanoseconds of one piece of work, of which `work` does `count`. */
export async function lasting(count, work) {
  const start = performance.now()
  await work()
  return ((performance.now() - start) * 1e6) / count
}

/** The value below which a part of the values lies. */
export function quantile(values, part) {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]
}
