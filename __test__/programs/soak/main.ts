/**
 * The soak: two workers and another process that work on every module in one folder, opening and closing again and again, and compare what
 * they find with plain twins. They stop now and then, with everything closed, and what they use then must stay flat.
 *
 *     node --expose-gc --max-semi-space-size=1 main.js FOLDER MINUTES [leak]
 *
 * With a small space for young objects, the runtime comes to what it keeps within seconds. Prints a table, and ends with 1 where something grew or is not what was written. With `leak` the actors leave things behind.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { type ProcessUsage, type ThreadUsage, processUsage } from './usage.js'
import type { Asked, Order, Told } from './actor.js'

const [folder = '', minutes = '1', leak] = process.argv.slice(2)
const SAMPLES = 16
const SEED = Math.floor(Math.random() * 2 ** 31)
const MiB = 1 << 20

/** By how much the median of the last quarter may be above that of the second one, before something has grown. */
const TOLERANCES: Record<keyof ProcessUsage | keyof ThreadUsage, number> = {
  rss: 48 * MiB,
  heap: 4 * MiB,
  // The twins themselves grow up to three and a half.
  external: 4 * MiB,
  arrayBuffers: 4 * MiB,
  descriptors: 2,
  'own descriptors': 0,
  mappings: 40,
  'own mappings': 0,
  threads: 1,
}

interface Actor {
  readonly name: string
  post(order: Order): void
  readonly messages: Worker | ChildProcess
}

function worker(actor: Asked['actor'], index: number): Actor {
  const messages = new Worker(join(__dirname, 'actor.js'), { workerData: asked(actor, index) })
  messages.on('error', (error) => fail(error))
  return { name: `worker ${actor}`, messages, post: (order) => messages.postMessage(order) }
}

/** A process to whom files in memory are persistent memory. */
function peer(actor: Asked['actor'], index: number): Actor {
  const env = { ...process.env, PMEM_IS_PMEM_FORCE: '1' }
  const messages = fork(join(__dirname, 'actor.js'), [JSON.stringify(asked(actor, index))], { execArgv: process.execArgv, env })
  messages.on('exit', (code, signal) => {
    if (code !== 0) fail(new Error(`process ${actor} ended with ${signal ?? code}`))
  })
  return { name: `process ${actor}`, messages, post: (order) => void messages.send(order) }
}

function asked(actor: Asked['actor'], index: number): Asked {
  return { folder, actor, seed: SEED + index, leak: leak === 'leak' }
}

function fail(error: unknown): never {
  console.error(error)
  console.error(`the seed was ${SEED}`)
  process.exit(1)
}

type Sample = Record<string, number>

/** Stops all actors, and takes what they and both processes use. */
async function sample(actors: readonly Actor[]): Promise<{ sample: Sample; told: Told[] }> {
  const answers = actors.map(({ messages }) => once(messages, 'message') as Promise<[Told]>)
  for (const { post } of actors) post('stop')
  const told = (await Promise.all(answers)).map(([answer]) => answer)
  const parts: [string, object][] = told.map(({ thread }, index) => [actors[index]!.name, thread])
  parts.push(['this process', processUsage(folder)], [actors.at(-1)!.name, told.at(-1)!.process])
  for (const { post } of actors) post('go')
  const entries = parts.flatMap(([who, usage]) => Object.entries(usage).map(([what, amount]) => [`${who}: ${what}`, amount as number]))
  return { sample: Object.fromEntries(entries) as Sample, told }
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((one, other) => one - other)[numbers.length >> 1]!
}

/** Prints what was used in the second quarter and in the last one; whether all of it is flat. */
function judge(samples: readonly Sample[]): boolean {
  const quarter = samples.length >> 2
  const line = (cells: readonly string[]) => console.log(cells.map((cell, index) => (index ? cell.padStart(16) : cell.padEnd(32))).join(''))
  const shown = (key: string, amount: number) => (TOLERANCES[whatOf(key)] >= MiB ? `${(amount / MiB).toFixed(1)} MiB` : `${amount}`)
  line(['median of', '2nd quarter', 'last quarter', 'may grow by', ''])
  let isFlat = true
  for (const key of Object.keys(samples[0]!)) {
    const numbers = samples.map((sample) => sample[key]!)
    const [before, after] = [median(numbers.slice(quarter, 2 * quarter)), median(numbers.slice(-quarter))]
    const tolerance = TOLERANCES[whatOf(key)]
    // What is the soak's own is to be nothing at any time.
    const grew = after - before > tolerance || (tolerance === 0 && after > 0)
    if (grew) isFlat = false
    line([key, shown(key, before), shown(key, after), shown(key, tolerance), grew ? 'GREW' : 'flat'])
  }
  return isFlat
}

function whatOf(key: string): keyof typeof TOLERANCES {
  return key.split(': ')[1] as keyof typeof TOLERANCES
}

async function main(): Promise<void> {
  const actors = [worker('a', 0), worker('b', 1), peer('c', 2)]
  const samples: Sample[] = []
  let told: Told[] = []
  const start = performance.now()
  for (let number = 1; number <= SAMPLES; number += 1) {
    await setTimeout(start + (Number(minutes) * 60_000 * number) / SAMPLES - performance.now())
    const taken = await sample(actors)
    samples.push(taken.sample)
    told = taken.told
  }
  const works = [...new Set(told.flatMap(({ rounds }) => Object.keys(rounds)))]
  const sum = (work: string) => told.reduce((total, { rounds }) => total + (rounds[work] ?? 0), 0)
  console.log(`opened, compared and closed: ${works.map((work) => `${work} ${sum(work)}`).join(', ')}\n`)
  // The actors end with this process.
  process.exit(judge(samples) ? 0 : 1)
}

main().catch(fail)
