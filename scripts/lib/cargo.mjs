import { run, StepError } from './run.mjs'

/** Cargo's arguments for the core's own tests, without PMDK: the core's own flush, and all deliberate faults, are in them. */
export const CORE = ['--package', 'pmem', '--lib']

/** Builds test binaries. Resolves to their paths, by the names of what they test. */
export async function buildTests(args, options) {
  const { ok, stdout, output } = await run('cargo', ['test', ...args, '--no-run', '--message-format=json'], options)
  if (!ok) throw new StepError(`The core's tests do not build:\n${output}`)
  const messages = stdout.split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line))
  const built = messages.filter(({ profile, executable }) => profile?.test && executable)
  return Object.fromEntries(built.map(({ target, executable }) => [target.name, executable]))
}
