// The harness: `check` notes what is to be checked, `runChecks` does it in that order and prints the counts.
import { writeSync } from 'node:fs'
import { inspect } from 'node:util'

const checks = []

/** Notes a check: `body` throws where it fails, and may be asynchronous. */
export function check(name, body) {
  checks.push({ name, body })
}

/** Runs all checks whose names have `filter` in them. The last line printed has the counts. */
export async function runChecks(filter = '') {
  let [passed, failed] = [0, 0]
  for (const { name, body } of checks.filter((noted) => noted.name.includes(filter))) {
    // Before the check, so that a crash in it shows where it happened.
    print(`${name} ... `)
    try {
      await body()
      passed += 1
      print('ok\n')
    } catch (error) {
      failed += 1
      print(`FAILED\n${inspect(error)}\n`)
    }
  }
  print(`${passed} passed, ${failed} failed\n`)
  return failed
}

/** Past the runtime's own buffering, of which a crash would lose something. */
function print(text) {
  writeSync(1, text)
}
