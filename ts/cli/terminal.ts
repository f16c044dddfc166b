/** What is printed. */

import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Input } from './command.js'

/** Whether colours are wanted. */
const isColoured = process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb'

/** Writes to the standard output; resolves once there is room for more. */
export async function print(data: string | Uint8Array): Promise<void> {
  if (!process.stdout.write(data)) await once(process.stdout, 'drain')
}

/** Bold, on a terminal. */
export function bold(text: string): string {
  return isColoured ? `\u001b[1m${text}\u001b[22m` : text
}

/** In the colour of what is well or not, on a terminal. */
export function judged(text: string, isWell: boolean): string {
  return isColoured ? `\u001b[${isWell ? 32 : 31}m${text}\u001b[39m` : text
}

/** Rows in columns, the last of which may be of any width. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]!.length))) ?? []
  const line = (row: readonly string[]) => row.map((text, column) => text.padEnd(widths[column]!)).join('  ').trimEnd()
  return rows.map((row) => `${line(row)}\n`).join('')
}

/** Named facts, one a line; those of facts stand further in. */
export function facts(known: object, indent = ''): string {
  const entries = Object.entries(known).filter(([, value]) => value !== undefined)
  const width = Math.max(0, ...entries.map(([name]) => name.length))
  return entries.map(([name, value]) => `${indent}${bold(typeof value === 'object' && !Array.isArray(value) ? name : name.padEnd(width + 2))}${shown(name, value, indent)}`).join('')
}

function shown(name: string, value: unknown, indent: string): string {
  if (Array.isArray(value)) return `${value.length === 0 ? 'none' : value.map((item) => (typeof item === 'object' ? JSON.stringify(item) : String(item))).join(', ')}\n`
  if (typeof value === 'object' && value !== null) return `\n${facts(value, `${indent}  `)}`
  return `${typeof value === 'number' && /bytes|size|free|used|capacity|allocated|pinned/i.test(name) ? bytes(value) : String(value)}\n`
}

/** Prints what is known: as a line of JSON where that is asked for, or for people. */
export function tell({ flags }: Input, known: unknown, text: () => string): Promise<void> {
  return print(flags.json === true ? `${JSON.stringify(known)}\n` : text())
}

/** A number of bytes, for people. */
export function bytes(count: number): string {
  if (count < 1024) return `${count} bytes`
  const units = ['KiB', 'MiB', 'GiB', 'TiB']
  const unit = Math.min(units.length, Math.floor(Math.log2(count) / 10))
  return `${(count / 2 ** (10 * unit)).toFixed(1)} ${units[unit - 1]} (${count} bytes)`
}

/** All that comes from the standard input. */
export async function* input(): AsyncGenerator<Buffer> {
  for await (const chunk of process.stdin) yield chunk as Buffer
}

/** The lines that come from the standard input. */
export function lines(): AsyncIterable<string> {
  return createInterface({ input: process.stdin, crlfDelay: Infinity })
}

/** How far something is, on a terminal that the standard error is. */
export class Progress implements Disposable {
  #shown = -1

  constructor(readonly whole: number) {}

  at(done: number): void {
    const percent = Math.floor((done / this.whole) * 100)
    if (process.stderr.isTTY !== true || percent === this.#shown) return
    this.#shown = percent
    process.stderr.write(`\r[${'='.repeat(percent >> 1).padEnd(50)}] ${percent} %`)
  }

  [Symbol.dispose](): void {
    if (this.#shown >= 0) process.stderr.write('\r\u001b[K')
  }
}
