/** What the specs of journals share. */

import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { journal } from 'pmem'
import { testFolder } from './pools.js'

/** The folder of a journal that is not made yet, gone after the test. */
export function journalFolder(t: ExecutionContext): string {
  const path = mkdtempSync(join(testFolder, 'journal-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return join(path, 'journal')
}

/** Makes a journal, or opens it, which is closed after the test. */
export function opened(t: ExecutionContext, options?: journal.OpenOptions, path = journalFolder(t)): journal.Journal {
  const made = journal.open(path, options)
  t.teardown(() => made.close())
  return made
}

/** A journal with these records. */
export function holding(t: ExecutionContext, records: readonly journal.Data[], options?: journal.OpenOptions): journal.Journal {
  const made = opened(t, options)
  made.appendMany(records)
  return made
}

/** The texts of records. */
export function texts(records: Iterable<journal.JournalRecord>): string[] {
  return Array.from(records, (record) => record.text())
}

/** The sequences of records. */
export function sequences(records: Iterable<journal.JournalRecord>): number[] {
  return Array.from(records, ({ sequence }) => sequence)
}

/** The texts of as many records as are wanted of those that come. */
export async function taken(records: AsyncIterable<journal.JournalRecord>, count: number): Promise<string[]> {
  const found: string[] = []
  if (count === 0) return found
  for await (const record of records) if (found.push(record.text()) === count) break
  return found
}

/** Some time, in milliseconds. */
export function pause(time: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, time))
}

/** Waits until something is so, at most some seconds. */
export async function until(condition: () => boolean): Promise<void> {
  for (let left = 5000; left > 0 && !condition(); left -= 5) await pause(5)
}

/** Numbered texts. */
export function numbered(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, index) => `record ${from + index}`)
}

/** What a promise comes to, if it does soon. */
export function soon<T>(promise: Promise<T>, time = 5000): Promise<T> {
  let timer: NodeJS.Timeout
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it took longer than ${time} ms`)), time)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
