/** Help, made of what the commands say of themselves. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command, Flag } from './command.js'
import { columns } from './terminal.js'

/** How a command is called. */
export function usageOf({ name, operands, flags }: Command): string {
  return ['npx pmem', name, flags && '[OPTIONS]', ...operands].filter(Boolean).join(' ')
}

/** A command's help. */
export function helpOf(command: Command): string {
  const options = Object.entries(command.flags ?? {}).map(([name, flag]) => [`  ${optionOf(name, flag)}`, flag.help])
  const examples = command.examples.map((example) => `  npx pmem ${example}\n`)
  return [
    `${command.summary}\n`,
    `\nUsage: ${usageOf(command)}\n`,
    ...(options.length > 0 ? ['\nOptions:\n', columns(options)] : []),
    `\nExample${examples.length > 1 ? 's' : ''}:\n`,
    ...examples,
  ].join('')
}

function optionOf(name: string, { short, value }: Flag): string {
  return `${short ? `-${short}, ` : ''}--${name}${value ? ` ${value}` : ''}`
}

/** What commands there are. */
export function overview(commands: readonly Command[]): string {
  const rows = commands.map(({ name, operands, summary }) => [`  ${[name, ...operands].join(' ')}`, summary])
  return `Usage: npx pmem COMMAND\n\n${columns(rows)}\nMore of one: npx pmem COMMAND --help\nExit status: 0 done, 1 failed or damaged, 2 called wrongly or could not tell\n`
}

/** The package's version. */
export function version(): string {
  const manifest = readFileSync(join(__dirname, '../../../package.json'), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}
