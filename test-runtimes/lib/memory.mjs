// What a process has mapped, and what is left once garbage is collected.
import { readFileSync } from 'node:fs'
import { setImmediate, setTimeout } from 'node:timers/promises'

/** How many mappings of a file this process has. */
export function mappings(path) {
  return readFileSync('/proc/self/maps', 'utf8').split('\n').filter((line) => line.includes(path)).length
}

function gc() {
  if (globalThis.Bun) globalThis.Bun.gc(true)
  else globalThis.gc()
}

/** Collects garbage and lets finalizers run, again and again, until `done`. False if that never comes. */
export async function collect(done) {
  for (let round = 0; round < 100; round += 1) {
    if (done()) return true
    // What `done` asked a WeakRef for lives until the end of this turn.
    await setImmediate()
    gc()
    await setImmediate()
  }
  return done()
}

/** Waits until `done`, a few seconds at most. */
export async function eventually(done) {
  for (let round = 0; round < 500 && !done(); round += 1) await setTimeout(10)
  return done()
}

/** What an attempt to move memory gives; undefined where the runtime refuses it by an exception. */
export function attempt(move) {
  try {
    return move()
  } catch {
    return undefined
  }
}
