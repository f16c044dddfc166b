/** Finds the command that is meant, runs it, and says in one line what was wrong. */

import { type Command, Failure, STATUS, UsageError, toInput } from './command.js'
import { commands } from './commands.js'
import { helpOf, overview, version } from './help.js'
import { print } from './terminal.js'

/** Runs a command line, without node and script. The process's exit status is set. */
export async function run(args: readonly string[]): Promise<void> {
  // Whoever read what is printed has enough of it.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(STATUS.done)
  })
  const command = find(args)
  try {
    process.exitCode = await call(command, args)
  } catch (error) {
    process.exitCode = tell(error, command)
  }
}

/** The command whose words come first. */
function find(args: readonly string[]): Command | undefined {
  return commands.find(({ name }) => name.split(' ').every((word, index) => args[index] === word))
}

async function call(command: Command | undefined, args: readonly string[]): Promise<number> {
  if (!command) return general(args)
  const input = toInput(command, args.slice(command.name.split(' ').length))
  if (input.flags.help) {
    await print(helpOf(command))
    return STATUS.done
  }
  return (await command.load()(input)) ?? STATUS.done
}

async function general([first, second]: readonly string[]): Promise<number> {
  if (first === '--version' || first === '-v') {
    await print(`${version()}\n`)
    return STATUS.done
  }
  const asked = first === undefined || first === '--help' || first === '-h' || first === 'help'
  const group = commands.filter(({ name }) => name.startsWith(`${asked ? second : first} `))
  if (!asked && (group.length === 0 || (second !== undefined && !second.startsWith('-')))) {
    // `check` and its like are the same for all kinds of files.
    const common = group.length > 0 && commands.find(({ name }) => name === second)
    throw new UsageError(`there is no command '${[first, group.length > 0 && second].filter(Boolean).join(' ')}'${common ? `, but npx pmem ${common.name}` : ''}`)
  }
  await print(overview(group.length > 0 ? group : commands))
  return first === undefined ? STATUS.unknown : STATUS.done
}

function tell(error: unknown, command: Command | undefined): number {
  const { message, code } = error as NodeJS.ErrnoException
  if (error instanceof UsageError) {
    process.stderr.write(`pmem: ${message}\nSee npx pmem ${command ? `${command.name} ` : ''}--help\n`)
    return STATUS.unknown
  }
  process.stderr.write(`pmem: ${message.split('\n')[0]}${code === undefined || message.includes(code) ? '' : ` (${code})`}\n`)
  return error instanceof Failure ? error.status : STATUS.failed
}
