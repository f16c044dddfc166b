/**
 * Uses a region, a log, blocks, a journal or a store while calls of the system fail (`../c/failing-calls.c`): first the first one of a kind,
 * then the second, until there is none left to fail.
 *
 *     failing-calls.js MODULE ENGINE KIND ERROR one|all FOLDER
 *
 * Prints how many calls failed, which codes errors had, and what was wrong.
 */

import { mkdirSync, rmSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { type Used, compare, modulesOf } from '../helpers/numbered.js'

const [what = '', engine = '', kind = '', error = '', many = '', folder = ''] = process.argv.slice(2)

const STEPS = 12

/** Arrays of the C library sync hundreds of times: one in so many is to fail. */
const EVERY = what === 'blocks' && engine === 'pmdk' && kind === 'sync' ? 7 : 1

const tested = modulesOf(engine)[what]!
const codes: Record<string, number> = {}
const wrong: string[] = []

function failFrom(count: number): void {
  process.env.FAIL_LEFT = `${count}`
}

/** Whether the call that was to fail has done so. Nothing fails from here on. */
function hasFailed(): boolean {
  const left = process.env.FAIL_LEFT
  delete process.env.FAIL_LEFT
  return left === '-1'
}

/** Does something that may fail, with a code; whether it did not. */
async function tries(act: () => unknown): Promise<boolean> {
  try {
    await act()
    return true
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException
    codes[`${code}`] = (codes[`${code}`] ?? 0) + 1
    if (typeof code !== 'string') wrong.push(`an error without a code: ${String(thrown)}`)
    return false
  }
}

async function opened(path: string): Promise<Used | undefined> {
  let used: Used | undefined
  await tries(() => (used = tested.open(path)))
  return used
}

/** Whether something failed where the call of this number was to. */
async function attempt(count: number): Promise<boolean> {
  const path = join(folder, `${count}`, 'used')
  mkdirSync(join(folder, `${count}`))
  const [acknowledged, failed]: [number[], number[]] = [[], []]
  const note = (problem: string | undefined) => problem && wrong.push(`${count}: ${problem}`)
  const step = async (used: Used, number: number) => ((await tries(() => used.step(number))) ? acknowledged : failed).push(number)

  failFrom(count)
  let number = 1
  for (const isLast of [false, true]) {
    const used = await opened(path)
    if (!used) continue
    for (; number <= (isLast ? STEPS : STEPS / 2); number += 1) await step(used, number)
    // What is read may not be known to be durable; it is no other value.
    await tries(() => note(compare(tested, used.numbers(), [], [...acknowledged, ...failed])))
    await tries(() => used.close())
  }
  const fault = hasFailed()

  const again = tested.open(path)
  note(compare(tested, again.numbers(), acknowledged, failed))
  await again.step(STEPS + 1)
  acknowledged.push(STEPS + 1)
  note(compare(tested, again.numbers(), acknowledged, failed))
  again.close()
  if (!tested.isSound(path)) note('not sound')
  rmSync(join(folder, `${count}`), { recursive: true })
  return fault
}

async function main(): Promise<void> {
  mkdirSync(folder)
  Object.assign(process.env, {
    FAIL_FOLDER: folder, FAIL_KIND: kind, FAIL_ERROR: `${constants.errno[error as 'EIO']}`, ...(many === 'all' && { FAIL_ALL: '1' }),
  })
  let faults = 0
  while (await attempt(faults * EVERY)) faults += 1
  console.log(JSON.stringify({ faults, codes, wrong }))
}

void main()
