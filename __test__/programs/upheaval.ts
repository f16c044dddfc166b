/**
 * Uses a region, a log, blocks, a journal or a store while its files are removed, replaced or cut:
 *
 *     upheaval.js MODULE ENGINE removed|replaced|cut|emptied FOLDER
 *
 * Prints which codes errors had, and what was wrong.
 */

import { readdirSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { KEYS, type Used, modulesOf } from '../helpers/numbered.js'

const [what = '', engine = '', upheaval = '', folder = ''] = process.argv.slice(2)
const path = join(folder, 'used')
const other = join(folder, 'other')
const tested = modulesOf(engine)[what]!
const codes = new Set<string>()
const wrong: string[] = []

/** What was written to what is at the path, or failed to be. */
const known: number[] = []

/** Does something that may fail, with a code; what it gives. */
async function tries<T>(act: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await act()
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    codes.add(`${code}`)
    if (typeof code !== 'string') wrong.push(`an error without a code: ${String(thrown)}`)
    return undefined
  }
}

/** That nothing is there that was not written. */
function look(used: Used, when: string): void {
  const numbers = used.numbers()
  const isRight = tested.records
    ? numbers.every((number, index) => known.includes(number) && (index === 0 || number > numbers[index - 1]!))
    : numbers.every((number, key) => number === 0 || (known.includes(number) && number % KEYS === key))
  if (!isRight) wrong.push(`${when}: ${numbers} where ${known} were written`)
}

async function write(used: Used, first: number, count: number): Promise<void> {
  for (let number = first; number < first + count; number += 1) {
    known.push(number)
    await tries(() => used.step(number))
  }
}

function files(): string[] {
  if (!statSync(path).isDirectory()) return [path]
  return readdirSync(path, { recursive: true, encoding: 'utf8' }).map((name) => join(path, name)).filter((name) => statSync(name).isFile())
}

const UPHEAVALS: Record<string, () => unknown> = {
  removed: () => rmSync(path, { recursive: true }),
  async replaced() {
    const used = tested.open(other)
    await used.step(100)
    used.close()
    renameSync(path, join(folder, 'away'))
    renameSync(other, path)
  },
  cut: () => files().forEach((name) => truncateSync(name, Math.floor(statSync(name).size / 2))),
  emptied: () => files().forEach((name) => truncateSync(name, 0)),
}

async function main(): Promise<void> {
  const used = tested.open(path)
  await write(used, 1, 6)
  await UPHEAVALS[upheaval]!()
  await write(used, 7, 12)
  await tries(() => look(used, 'still open'))
  await tries(() => used.close())

  // What was done by who had the old files open is none of the new one's concern.
  if (upheaval === 'replaced') known.splice(0, Infinity, 100)
  if (upheaval === 'removed') known.length = 0
  const again = await tries(() => tested.open(path))
  if (again) {
    await tries(() => look(again, 'opened again'))
    await write(again, 200, 5)
    await tries(() => look(again, 'written again'))
    await tries(() => again.close())
  }
  if (upheaval === 'replaced' || upheaval === 'removed') {
    const last = tested.open(path)
    const numbers = last.numbers()
    for (const number of known) if (number !== 100 || tested.records) if (!numbers.includes(number)) wrong.push(`${number} is missing`)
    last.close()
    if (!tested.isSound(path)) wrong.push('not sound')
  }
  console.log(JSON.stringify({ codes: [...codes].sort(), reopened: again !== undefined, wrong }))
}

void main()
