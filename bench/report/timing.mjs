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

/** The nanoseconds of one piece of work, of which `work` does `count`. */
export async function lasting(count, work) {
  const start = performance.now()
  await work()
  return ((performance.now() - start) * 1e6) / count
}
