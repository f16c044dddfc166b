/** What a command is, and how its arguments are taken. */

import { type ParseArgsConfig, parseArgs } from 'node:util'

/** Exit statuses. */
export const STATUS = { done: 0, failed: 1, unknown: 2 } as const

/** An option of a command, as help shows it. */
export interface Flag {
  readonly type: 'boolean' | 'string'
  readonly short?: string
  /** What its value is called. */
  readonly value?: string
  readonly help: string
}

/** What a command was called with. */
export interface Input {
  readonly operands: readonly string[]
  readonly flags: Readonly<Record<string, string | boolean | undefined>>
}

/** Does what a command does. Resolves to its exit status, which is 0 where it says none. */
export type Action = (input: Input) => Promise<number | void> | number | void

/** A command: what help and documentation say of it, and what does it. */
export interface Command {
  /** Its words. */
  readonly name: string
  /** What follows them: `[X]` may be left out, `X...` is one or several. */
  readonly operands: readonly string[]
  readonly summary: string
  readonly flags?: Readonly<Record<string, Flag>>
  /** Calls, without `npx pmem`. */
  readonly examples: readonly string[]
  /** Loads what does it, which others do not need. */
  readonly load: () => Action
}

/** It was called in a way that it does not know. */
export class UsageError extends Error {}

/** What it was asked for cannot be done. */
export class Failure extends Error {
  constructor(
    message: string,
    readonly status: number = STATUS.failed,
  ) {
    super(message)
  }
}

const HELP: ParseArgsConfig['options'] = { help: { type: 'boolean', short: 'h' } }

/** Takes a command's arguments apart. */
export function toInput(command: Command, args: readonly string[]): Input {
  const options: NonNullable<ParseArgsConfig['options']> = { ...HELP }
  for (const [name, { type, short }] of Object.entries(command.flags ?? {})) options[name] = short === undefined ? { type } : { type, short }
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
    if (!values.help) checkCount(command, positionals.length)
    return { operands: positionals, flags: values as Input['flags'] }
  } catch (error) {
    throw new UsageError((error as Error).message.split('. ')[0])
  }
}

function checkCount({ operands }: Command, count: number): void {
  const needed = operands.filter((name) => !name.startsWith('['))
  if (count < needed.length) throw new UsageError(`${needed[count]!.replace('...', '')} is missing`)
  const isOpen = operands.some((name) => name.includes('...'))
  if (!isOpen && count > operands.length) throw new UsageError(`${count - operands.length} arguments too many`)
}

/** An option's text. */
export function textOf({ flags }: Input, name: string): string | undefined {
  return flags[name] as string | undefined
}

/** An option's or operand's whole number. */
export function numberOf(name: string, text: string): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(number)) return number
  throw new UsageError(`${name} is a whole number, not '${text}'`)
}

const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }

/** A size such as `8MiB`. */
export function sizeOf(name: string, text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text) ?? []
  const factor = UNITS[(unit ?? '?').toLowerCase().replace(/ib$/, '')]
  if (factor === undefined) throw new UsageError(`${name} is a size such as 8MiB, not '${text}'`)
  return Math.floor(Number(number) * factor)
}
