import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { createInterface } from 'node:readline'
import { root } from './run.mjs'
import { inTurns } from './turns.mjs'

/** Which test caught each fault last: it is run first. */
const CATCHERS = join(root, 'scripts/lib/faults.json')
const CORE = join(root, 'crates/pmem')

/** Tests wait for each other where a fault keeps one of them from coming; that is no catch. Seconds. */
const FOR_ONE = 120
const FOR_ALL = 600

/** Some tests meet a fault by chance. */
const TRIES = 3

/** The names of all deliberate faults. */
export function faults() {
  const source = readFileSync(join(CORE, 'src/os/deliberate.rs'), 'utf8')
  const [, list] = /FAULTS: &\[&str\] = &\[([^\]]*)\]/.exec(source) ?? []
  return [...(list ?? '').matchAll(/"([^"]+)"/g)].map(([, name]) => name)
}

/** Twelve of them. */
export async function dozen() {
  return (await inTurns(faults())).slice(0, 12)
}

/** Which test caught each fault last. */
export function remembered() {
  return JSON.parse(readFileSync(CATCHERS, 'utf8'))
}

/** Remembers which test caught each fault, in the order of the faults. */
export function remember(catchers) {
  const known = faults().filter((fault) => catchers[fault]).map((fault) => [fault, catchers[fault]])
  writeFileSync(CATCHERS, `${JSON.stringify(Object.fromEntries(known), null, 2)}\n`)
}

/**
 * Switches each of the faults on by itself, as many at a time as there are processors, and calls `found` with the fault and the
 * test that caught it, or null.
 */
export async function catchAll(executable, wanted, found) {
  const [known, left] = [remembered(), [...wanted]]
  const work = async () => {
    for (let fault = left.shift(); fault !== undefined; fault = left.shift()) {
      found(fault, await catcher(executable, fault, known[fault]))
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
}

/** A test that catches a fault: the one that is remembered, or else one beside the code, or any. */
async function catcher(executable, fault, known) {
  if (known && (await catches(executable, fault, known))) return known
  for (const filter of [moduleOf(fault), '']) {
    const found = await firstFailure(executable, fault, filter)
    // By itself too: else it may be the machine that was slow.
    if (found !== null && (await catches(executable, fault, found))) return found
  }
  return null
}

/** Whether a test fails with a fault, and by itself. */
async function catches(executable, fault, test) {
  for (let tries = 0; tries < TRIES; tries += 1) {
    if (await fails(executable, fault, test)) return true
  }
  return false
}

/** Whether a test ends, and not well. */
async function fails(executable, fault, test) {
  const { code, output, timedOut } = await runTests(executable, fault, [test, '--exact'], FOR_ONE)
  return !timedOut && code !== 0 && output.startsWith('\nrunning 1 test\n')
}

/** The first test to fail of those whose names have `filter`; null where none does. */
async function firstFailure(executable, fault, filter) {
  const failure = /^test (\S+).* FAILED$/m
  const { code, output, timedOut } = await runTests(executable, fault, [filter], FOR_ALL, failure)
  const [, name] = failure.exec(output) ?? []
  if (name || code === 0 || timedOut) return name ?? null
  // The process died: with one thread the last line says of which test.
  const alone = await runTests(executable, fault, [filter, '--test-threads=1'], FOR_ALL, failure)
  const [, last] = /^test (\S+) .*$(?![\s\S]*^test )/m.exec(alone.output) ?? []
  return last ?? null
}

/** The part of the core that a fault stands in, as the names of its tests begin. */
function moduleOf(fault) {
  const source = join(CORE, 'src')
  const files = readdirSync(source, { recursive: true, withFileTypes: true }).filter((entry) => entry.name.endsWith('.rs'))
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).filter((path) => !path.endsWith('deliberate.rs'))
  const found = paths.find((path) => readFileSync(path, 'utf8').includes(`"${fault}"`))
  return `${relative(source, found).split(/[/.]/)[0]}::`
}

/** Runs tests with a fault switched on, until a line of their output is as `last` says. */
function runTests(executable, fault, args, seconds, last) {
  const env = { ...process.env, PMEM_DELIBERATE_FAULT: fault, RUST_BACKTRACE: '0' }
  const all = [...args.filter(Boolean), '--skip', 'deliberate::']
  const child = spawn(executable, all, { cwd: CORE, env, stdio: ['ignore', 'pipe', 'ignore'] })
  const result = { output: '', timedOut: false }
  const timer = setTimeout(() => {
    result.timedOut = true
    child.kill('SIGKILL')
  }, seconds * 1000)
  return new Promise((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      result.output += `${line}\n`
      if (last?.test(line)) child.kill('SIGKILL')
    })
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ ...result, code })
    })
  })
}
