// npm run build:all [-- NAME...] [--strict]: builds the native module of every target, or of those named, that this machine
// can build, and says which it cannot and why. That is a failure with --strict, and for targets that are named.
import { buildTarget } from './lib/packages/build.mjs'
import { main, StepError } from './lib/run.mjs'
import { targets } from './lib/packages/targets.mjs'
import { Unavailable } from './lib/tools.mjs'

async function build(target) {
  try {
    await buildTarget(target)
    return 'built'
  } catch (error) {
    if (error instanceof Unavailable) return `SKIPPED: ${error.message}`
    if (!(error instanceof StepError)) throw error
    console.log(error.message)
    return 'FAILED'
  }
}

await main(async () => {
  const args = process.argv.slice(2)
  const names = args.filter((arg) => arg !== '--strict')
  const unknown = names.filter((name) => !targets.some((target) => target.name === name))
  if (unknown.length) throw new StepError(`No target has the name ${unknown.join(', ')}`)
  const results = []
  for (const target of targets) {
    if (names.length === 0 || names.includes(target.name)) results.push([target.name, await build(target)])
  }
  console.log()
  for (const [name, result] of results) console.log(`${name.padEnd(17)} ${result}`)
  const accepted = args.length ? /^built/ : /^(built|SKIPPED)/
  if (results.some(([, result]) => !accepted.test(result))) process.exitCode = 1
})
