/** What an error looks like: its code, and everything that follows from the code. */

import { constants } from 'node:os'
import type { ExecutionContext } from 'ava'

export interface Expected {
  code: string
  /** The function that failed, of the operating system or the NVM Library. */
  syscall?: string
  /** The file of an operating system's error; an error without it must have none. */
  path?: string
  /** Part of the message, such as an argument's name in double quotes. */
  says?: string
}

interface Failure extends Error {
  code?: unknown
  errno?: unknown
  syscall?: unknown
  path?: unknown
}

/** Asserts that `act` throws the error that is expected: its code, or more of it. */
export function throws(t: ExecutionContext, expected: string | Expected, act: () => unknown, message?: string): void {
  const error = t.throws(act, undefined, message)
  if (error) check(t, expected, error, message)
}

/** Asserts that the promise of `act` rejects, and that `act` itself does not throw. */
export async function rejects(
  t: ExecutionContext,
  expected: string | Expected,
  act: () => Promise<unknown>,
  message?: string,
): Promise<void> {
  const error = await t.throwsAsync(act(), undefined, message)
  if (error) check(t, expected, error, message)
}

function check(t: ExecutionContext, expected: string | Expected, error: Failure, message?: string): void {
  const { code, syscall, path, says } = typeof expected === 'string' ? { code: expected } as Expected : expected
  const context = `${message ?? code}: ${String(error)}`
  t.is(error.code, code, context)
  t.is(error.name, NAMES.get(code) ?? 'Error', context)
  t.true(error instanceof CLASSES[error.name as keyof typeof CLASSES], context)
  if (says !== undefined) t.true(error.message.includes(says), `${context} does not say ${says}`)
  const number = constants.errno[code as keyof typeof constants.errno]
  t.is(error.errno, number === undefined ? undefined : -number, context)
  t.is(error.path, path, context)
  if (number === undefined) return
  t.regex(String(error.syscall), /^\w+$/, context)
  if (syscall !== undefined) t.is(error.syscall, syscall, context)
  const start = `${code}: `
  t.is(error.message.slice(0, start.length), start, context)
  t.true(error.message.includes(`, ${String(error.syscall)}`), context)
  if (path !== undefined) t.true(error.message.includes(`'${path}'`), context)
}

const CLASSES = { Error, RangeError, TypeError }

const NAMES = new Map([
  ['ERR_INVALID_ARG_TYPE', 'TypeError'],
  ['ERR_INVALID_ARG_VALUE', 'TypeError'],
  ['ERR_OUT_OF_RANGE', 'RangeError'],
  ['ERR_PMEM_UNCLONEABLE', 'TypeError'],
])
