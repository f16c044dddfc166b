import { describe } from './counts.mjs'
import { report } from './run.mjs'

/** Runs a command that tests, and resolves to its counts. What it printed follows the line on it where something failed. */
export async function runTests(label, command, args, options, count) {
  const result = await report(label, command, args, options, (ended) => describe(count(ended)))
  const counts = count(result)
  if (counts.failed) console.log(withoutPasses(result.output))
  return counts
}

function withoutPasses(output) {
  return output.replace(/^(test .* \.\.\. ok| *[✔√] .*|.* \.\.\. ok| *ok \d.*)\n/gm, '').trimEnd()
}
