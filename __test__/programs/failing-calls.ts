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
import { journal, objects, pmem, pmemblk, pmemlog } from 'pmem'

const [what = '', engine = '', kind = '', error = '', many = '', folder = ''] = process.argv.slice(2)

const STEPS = 12
const KEYS = 5

/** What is used, open. A step's number is all that it writes: at its key, or as a record. */
interface Used {
  step(number: number): unknown
  /** The numbers that are there: of each key, 0 for none, or of all records. */
  numbers(): number[]
  close(): unknown
}

interface Module {
  /** Whether steps are records, all of which stay. */
  readonly records: boolean
  open(path: string): Used
  isSound(path: string): boolean
}

const padded = (number: number) => `${number}:`.padEnd(3000, '.')
const numberOf = (text: string) => Number.parseInt(text, 10) || 0

const MODULES: Record<string, Module> = {
  region: {
    records: false,
    open(path) {
      const region = pmem.mapFile(path, { create: true, length: 64 << 10 })
      return {
        async step(number) {
          const at = (number % KEYS) * 8192
          region.seek(at)
          region.write(padded(number))
          if (number % 2 === 0) region.persist(at, 3000)
          else await region.persistAsync(at, 3000)
        },
        numbers: () => Array.from({ length: KEYS }, (_, key) => (region.seek(key * 8192), numberOf(region.read(10).toString('latin1')))),
        close: () => region.close(),
      }
    },
    isSound: () => true,
  },
  log: {
    records: true,
    open(path) {
      const log = pmemlog.open(path, { create: true, engine: engine as 'rust' })
      return {
        step: (number) => (number % 2 === 0 ? log.append(padded(number)) : log.appendAsync(padded(number))),
        numbers: () => Array.from(log.chunks(3000), (chunk) => numberOf(chunk.toString('latin1'))),
        close: () => log.close(),
      }
    },
    isSound: (path) => pmemlog.check(path),
  },
  blocks: {
    records: false,
    open(path) {
      const blocks = pmemblk.open(path, 4096, { create: true, engine: engine as 'rust' })
      return {
        step: (number) => (number % 2 === 0 ? blocks.write(padded(number), number % KEYS) : blocks.writeAsync(padded(number), number % KEYS)),
        numbers: () => Array.from({ length: KEYS }, (_, key) => numberOf(blocks.readText(key))),
        close: () => blocks.close(),
      }
    },
    isSound: (path) => pmemblk.check(path),
  },
  journal: {
    records: true,
    open(path) {
      const events = journal.open(path, { segmentSize: 16 << 10 })
      return {
        step: (number) => (number % 2 === 0 ? events.append(padded(number)) : events.appendAsync(padded(number))),
        numbers: () => Array.from(events, (record) => numberOf(record.text())),
        close: () => events.close(),
      }
    },
    isSound: (path) => journal.check(path).sound,
  },
  objects: {
    records: false,
    open(path) {
      const store = objects.open(path, { root: () => new Map<number, string>() })
      return {
        step: (number) => {
          const change = () => void store.root.set(number % KEYS, padded(number))
          return number % 2 === 0 ? store.transaction(change) : store.transactionAsync(change)
        },
        numbers: () => Array.from({ length: KEYS }, (_, key) => numberOf(store.root.get(key) ?? '')),
        close: () => store.close(),
      }
    },
    isSound: (path) => objects.check(path).sound,
  },
}

const tested = MODULES[what]!
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

/** That all acknowledged steps are there, and beside them none but those that failed. */
function compare(numbers: readonly number[], acknowledged: readonly number[], failed: readonly number[]): string | undefined {
  const told = `${numbers} where ${acknowledged} are acknowledged, ${failed} failed`
  if (tested.records) {
    const isThere = acknowledged.every((number) => numbers.includes(number))
    const isOrdered = numbers.every((number, index) => index === 0 || number > numbers[index - 1]!)
    const isKnown = numbers.every((number) => acknowledged.includes(number) || failed.includes(number))
    return isThere && isOrdered && isKnown ? undefined : told
  }
  const isRight = numbers.every((number, key) => {
    const last = acknowledged.findLast((step) => step % KEYS === key) ?? 0
    return number === last || (failed.includes(number) && number % KEYS === key && number > last)
  })
  return isRight ? undefined : told
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
    await tries(() => note(compare(used.numbers(), [], [...acknowledged, ...failed])))
    await tries(() => used.close())
  }
  const fault = hasFailed()

  const again = tested.open(path)
  note(compare(again.numbers(), acknowledged, failed))
  await again.step(STEPS + 1)
  acknowledged.push(STEPS + 1)
  note(compare(again.numbers(), acknowledged, failed))
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
  while (await attempt(faults)) faults += 1
  console.log(JSON.stringify({ faults, codes, wrong }))
}

void main()
