/**
 * Power cuts. A program in a process of its own has a native module with a recorder behind all that reaches a file; what it did is cut at
 * any point, and what that left lies in folders for the tests, with what had to last.
 */

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { deserialize, serialize } from 'node:v8'
import type { ExecutionContext } from 'ava'
import { folder as folderOf } from './files.js'
import { ended, program, root } from './programs.js'

const VARIABLE = 'PMEM_NATIVE_BINDING'

/** What files count as, and how a program is told so. */
export const MEDIA = [
  { medium: 'the page cache', env: { PMEM_IS_PMEM_FORCE: '0' } },
  { medium: 'persistent memory', env: { PMEM_IS_PMEM_FORCE: '1' } },
]

/** Logs what a test had of images that `by` made, as `npm run test:crash` sums it up. */
export function tally(t: ExecutionContext, module: string, medium: string, sums: Readonly<Record<string, number>>, by = 'JavaScript'): void {
  t.log(JSON.stringify({ module, by, medium, ...sums }))
}

/** What the native module with a recorder has besides. */
interface Recorder {
  PowerCuts: new (folder: string, seed: number, most: number) => {
    mark(): number
    stop(): number
    places(): { point: number; marks: number; pending: number }[]
    write(index: number, target: string): void
  }
}

/** What a program is asked for. */
export interface AskedFor {
  readonly seed: number
  /** How many images there are at most, and of how many of them the opening is cut, into how many each. */
  readonly images: number
  readonly openings: number
  readonly inner: number
  /** Acknowledges before durability, as nobody may. */
  readonly hasty?: boolean
}

/** What a cut left. */
export interface Image<K> {
  readonly folder: string
  /** How much was not durable yet: names, sizes and sectors. */
  readonly pending: number
  /** What the program knew when it was cut. */
  readonly known: K
}

/** For the program: records what it does to the files in a folder, and what it knows meanwhile. */
export class Recording<K> {
  readonly #cuts: InstanceType<Recorder['PowerCuts']>
  readonly #known: K[]

  /** @param known what is known before anything is done */
  constructor(folder: string, seed: number, most: number, known: K) {
    const { PowerCuts } = createRequire(__filename)(process.env[VARIABLE]!) as Recorder
    this.#cuts = new PowerCuts(folder, seed, most)
    this.#known = [known]
  }

  /** From here on this is known. */
  mark(known: K): void {
    this.#known.push(known)
    this.#cuts.mark()
  }

  /** Ends it, and writes what cuts left to folders that begin with `target`. How many points there were to cut at, and those folders. */
  end(target: string): { points: number; images: Image<K>[] } {
    const points = this.#cuts.stop()
    const images = this.#cuts.places().map(({ pending, marks }, index) => {
      const folder = `${target}-${index}`
      this.#cuts.write(index, folder)
      return { folder, pending, known: this.#known[marks]! }
    })
    return { points, images }
  }
}

/** For the program: its argument, and who is to be told what. */
export function recorded<A>(): { asked: A & { folder: string }; tell: (result: unknown) => void } {
  const [text] = process.argv.slice(2) as [string]
  const asked = JSON.parse(text) as A & { folder: string }
  return { asked, tell: (result) => writeFileSync(join(asked.folder, 'result'), serialize(result)) }
}

/** The native module with a recorder. */
function recorder(): string {
  const path = join(root, 'build/recorder/pmem.node')
  if (!existsSync(path)) throw new Error(`${path} is missing: run npm run build:recorder`)
  return path
}

/** Runs a program over the native module with a recorder, with a JSON value; what it tells. */
export async function record<R>(t: ExecutionContext, name: string, asked: { folder: string }, env: NodeJS.ProcessEnv = {}): Promise<R> {
  const args = ['--expose-gc', program(name), JSON.stringify(asked)]
  const { status, stderr } = await ended(process.execPath, args, { ...env, [VARIABLE]: recorder() })
  t.is(status, 0, stderr)
  return deserialize(readFileSync(join(asked.folder, 'result'))) as R
}

/** Has the openings of some images cut, of those that can be opened, and gives what that left in their place. */
export async function cutOpenings<K>(
  images: readonly Image<K>[],
  count: number,
  random: (limit: number) => number,
  open: (image: Image<K>) => Promise<Image<K>[]>,
  canOpen: (known: K) => boolean,
): Promise<Image<K>[]> {
  const left = images.filter(({ known }) => canOpen(known))
  const cut = Array.from({ length: count }, () => left.splice(random(left.length), 1)[0]!)
  const recovered: Image<K>[] = []
  for (const image of cut) recovered.push(...(await open(image)))
  return [...images.filter((image) => !cut.includes(image)), ...recovered]
}

/** Runs a program, and has each image judged by what is wrong with it. */
export async function judge<K, T extends { readonly images: readonly Image<K>[] }>(
  t: ExecutionContext,
  name: string,
  asked: AskedFor,
  env: NodeJS.ProcessEnv,
  problemOf: (image: Image<K>, number: number) => string | undefined,
): Promise<{ told: T; problems: (string | undefined)[] }> {
  const place = folderOf(t)
  mkdirSync(join(place, 'written'))
  const told = await record<T>(t, name, { folder: place, ...asked }, env)
  const problems = told.images.map((image, number) => problemOf(image, number))
  rmSync(place, { recursive: true })
  return { told, problems }
}

/** What is wrong with the first image of which something is, of programs that have a fault. */
export async function firstProblem(problemsOf: (seed: number) => Promise<readonly (string | undefined)[]>): Promise<string | undefined> {
  for (let seed = 1; seed <= 20; seed += 1) {
    const problem = (await problemsOf(seed)).find((problem) => problem !== undefined)
    if (problem !== undefined) return problem
  }
  return undefined
}
