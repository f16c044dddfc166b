/** What a process has mapped, and what is left once garbage is collected. */

import { readFileSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'

/** How many mappings of a file this process has. Linux only. */
export function mappings(path: string): number {
  return maps().filter((line) => line.includes(path)).length
}

/** Every mapping of this process. Linux only. */
export function maps(): string[] {
  return readFileSync('/proc/self/maps', 'utf8').trimEnd().split('\n')
}

/** Collects garbage and lets finalizers run, again and again, until `done`. False if that never comes. */
export async function collect(done: () => boolean): Promise<boolean> {
  if (globalThis.gc === undefined) throw new Error('needs --expose-gc')
  for (let round = 0; round < 100; round += 1) {
    if (done()) return true
    // What `done` asked a WeakRef for lives until the end of this turn.
    await setImmediate()
    globalThis.gc()
    await setImmediate()
  }
  return done()
}
